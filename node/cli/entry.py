"""The program's entry: runs a command and turns whatever happens into one sentence and an exit code.

It must not know the commands: root.py lists them.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from node.cli.outcome import ADVICE, explain_error
from node.cli.root import root
from node.config import ExitCode

PROGRAM = "loam"


def run(arguments: Sequence[str]) -> int:
    """Run a command and return the process's exit code; errors are printed, never raised."""
    if not __debug__:
        click.echo("Error: loam checks itself with assertions; start it without python -O", err=True)
        return ExitCode.ERROR
    try:
        result = root.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        return ExitCode.ERROR
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; nothing is left to be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 (the last line of defence: no traceback for an operator's mistake)
        return _report(error)
    return result if isinstance(result, int) else ExitCode.OK


def _report(error: Exception) -> int:
    explained = explain_error(error)
    if explained is None:
        fault = find_cause(error)
        traceback.print_exception(fault)
        click.echo(
            f"Error: {describe_fault(fault)}; this is a fault of the program, please report it", err=True
        )
        return ExitCode.ERROR
    code, message = explained
    click.echo(f"Error: {message}", err=True)
    if code in ADVICE:
        click.echo(ADVICE[code], err=True)
    return code


def find_cause(error: BaseException) -> BaseException:
    """Return the one exception inside of nested groups; a group of several is returned as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def describe_fault(error: BaseException) -> str:
    """Return what happened, and where, on one line: what is left of a traceback that scrolled away."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {error!s:.200}"
