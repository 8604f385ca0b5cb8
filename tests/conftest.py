"""Settings of every test, and what a run says at its end: which tests did not run, and why.

Hypothesis keeps no deadline: a busy machine is no fault of the code.
"""

from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("loam", deadline=None)
settings.load_profile("loam")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count skipped tests by their reason."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"NOT RUN: {count} tests: {reason}", yellow=True)
