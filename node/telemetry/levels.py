"""Log filters: which level of which target is shown, in the words of Substrate's `-l rpc=debug,sync=trace`.

Pure text and tables; knows no logger.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

OFF = logging.CRITICAL + 10
LEVELS: Mapping[str, int] = MappingProxyType(
    {
        "off": OFF,
        "error": logging.ERROR,
        "warn": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
        "trace": logging.NOTSET,
    }
)
RULES_MAX = 256
TARGET = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


class FilterError(ValueError):
    """The text is not a log filter; `str()` says what was expected."""


def parse_filters(texts: Iterable[str]) -> dict[str, int]:
    """Return level by target, the key "" standing for all others; later rules win; raises FilterError.

    A rule is LEVEL or TARGET=LEVEL; a bare target means all of its lines, as in Substrate.
    """
    rules: dict[str, int] = {}
    for rule in (part.strip() for text in texts for part in text.split(",")):
        if not rule:
            continue
        target, separator, level = rule.partition("=")
        if not separator:
            target, level = ("", target) if target.lower() in LEVELS else (target, "trace")
        if level.lower() not in LEVELS:
            raise FilterError(f"expected one of {', '.join(LEVELS)} in {rule[:80]!r}")
        if not TARGET.fullmatch(target):
            raise FilterError(f"expected TARGET=LEVEL, got {rule[:80]!r}")
        rules[target] = LEVELS[level.lower()]
        if len(rules) > RULES_MAX:
            raise FilterError(f"more than {RULES_MAX} log rules")
    return rules


class LogFilter:
    """The rules in force; they may be replaced while the node runs."""

    def __init__(self, rules: Mapping[str, int]) -> None:
        self._first = rules
        self._rules: Mapping[str, int] = {}
        self._levels: dict[str, int] = {}
        self.minimum = logging.INFO
        self.replace(rules)

    def replace(self, rules: Mapping[str, int]) -> None:
        """Put other rules in force; without a rule for all, the level is info."""
        self._rules = {"": logging.INFO, **rules}
        self._levels = {}
        self.minimum = min(self._rules.values())

    def add(self, rules: Mapping[str, int]) -> None:
        """Put rules in force besides those that are, before which they go; raises FilterError."""
        together = {**self._rules, **rules}
        if len(together) > RULES_MAX:
            raise FilterError(f"more than {RULES_MAX} log rules")
        self.replace(together)

    def reset(self) -> None:
        """Put the first rules in force again."""
        self.replace(self._first)

    def get_level(self, target: str) -> int:
        """Return the lowest level shown of a target: that of its longest prefix among the rules."""
        level = self._levels.get(target)
        if level is None:
            level = self._levels[target] = self._find_level(target)
        return level

    def _find_level(self, target: str) -> int:
        parts = target.replace("::", ".").split(".")
        for count in range(len(parts), 0, -1):
            for joiner in (".", "::"):
                name = joiner.join(parts[:count])
                if name in self._rules:
                    return self._rules[name]
        return self._rules[""]
