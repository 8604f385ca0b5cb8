"""The command `python -m tests.vectors FILE…`: prints failing cases and `N passed, M failed`.

Exit code 0 when every case of every file passed, 1 when a case failed, 2 when a file could not be run.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.vectors.case import MalformedFile, run_plan
from tests.vectors.formats import FORMATS, load_plan

EXIT_FAILED = 1
EXIT_UNUSABLE = 2


def main(arguments: Sequence[str]) -> int:
    """Run every named file and return the exit code."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        names = ", ".join(sorted(FORMATS))
        sys.stderr.write(
            f"usage: python -m tests.vectors FILE…\nFormats, by file name up to the first dot: {names}.\n"
        )
        return EXIT_UNUSABLE if not arguments else 0
    passed = failed = unusable = 0
    for argument in arguments:
        try:
            plan = load_plan(Path(argument))
        except MalformedFile as error:
            sys.stderr.write(f"ERROR {argument}: {error}\n")
            unusable += 1
            continue
        for failure in run_plan(plan):
            if failure is None:
                passed += 1
            else:
                failed += 1
                sys.stdout.write(f"FAILED {argument}: {failure.name}: {failure.reason}\n")
        for section, reason in plan.skipped.items():
            sys.stdout.write(f"not run {argument}: {section}: {reason}\n")
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return EXIT_UNUSABLE if unusable else EXIT_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
