"""The fuzzing targets under a fuzzer that is guided by coverage.

    pip install atheris                                    # no part of the development environment
    python -m tests.node.network.guided_fuzz message -runs=1000000 -max_len=512

The first argument names the target, the rest are libFuzzer's. It ends at the first input that is answered as
it must not be, which is kept in a file.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

INSTRUMENTED: Final = ["node", "runtime", "tests.node.network"]


def main() -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        targets = importlib.import_module("tests.node.network.fuzz_targets").TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(f"name a target: {', '.join(targets)}")
    target = targets[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory(prefix="loam-fuzz-") as corpus:
        for number, data in enumerate(target.corpus):
            (Path(corpus) / str(number)).write_bytes(data)
            target.take(data)
        atheris.Setup([*sys.argv, corpus], target.take)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
