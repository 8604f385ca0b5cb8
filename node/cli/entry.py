"""The program's entry: runs a command and turns whatever happens into one sentence and an exit code.

It must not know the commands: root.py lists them.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from node.cli.outcome import explain_error
from node.cli.root import root
from node.config import ExitCode

PROGRAM = "loam"


def main() -> NoReturn:
    """Run the command of this process's arguments and exit."""
    sys.exit(run(sys.argv[1:]))


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
        traceback.print_exception(error)
        click.echo(f"Error: {type(error).__name__} was not expected here; please report it", err=True)
        return ExitCode.ERROR
    code, message = explained
    click.echo(f"Error: {message}", err=True)
    return code
