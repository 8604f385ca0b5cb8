"""Settings of every test, and what a run says at its end: which tests did not run, and why.

Hypothesis keeps no deadline: a busy machine is no fault of the code. It tries 50 examples of each property,
20 where slow tests are left out, and as many as HYPOTHESIS_EXAMPLES says where that is set; a number that a
test gives itself stands.
"""

import gc
import os
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile(
    "loam", deadline=None, max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
)
settings.register_profile("fast", deadline=None, max_examples=20)
settings.load_profile("loam")

ID_MAX = 40

gc.disable()  # until the tests are collected: nothing of what is loaded by then goes away


def pytest_configure(config: pytest.Config) -> None:
    """Choose how thorough hypothesis is, before any test is loaded."""
    if config.getoption("markexpr") == "not slow" and "HYPOTHESIS_EXAMPLES" not in os.environ:
        settings.load_profile("fast")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long texts and bytes by how they begin and how long they are."""
    if isinstance(val, bytes | str) and len(val) > ID_MAX:
        return f"{val[:ID_MAX]!r} of {len(val)}"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slow tests, or one processor waits at the end while the other has the longest to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to go on where groups are not kept: each worker would start the nodes of all of them.

    Let the garbage collector pass over what is loaded: to see all of it takes longer than most tests.
    """
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"pytest-xdist does not keep {item.nodeid} in its group")
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count skipped tests by their reason."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"NOT RUN: {count} tests: {reason}", yellow=True)
