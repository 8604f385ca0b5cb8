"""The tree keeps the rules that `tests.support.tidy` tells, and the checker finds every fault planted for it.

`python -m tests.test_tidy` prints the faults of the tree and is part of `make check`.
"""

import sys
from pathlib import Path

import pytest

from tests.support import tidy

ROOT = Path(__file__).resolve().parent.parent


def check(source: str, path: str = "runtime/frame/planted.py") -> list[str]:
    return [fault.rule for fault in tidy.check_source(path, '"""Docstring."""\n' + source)]


@pytest.mark.slow
def test_tree_is_tidy() -> None:
    assert [str(fault) for fault in tidy.check_tree(ROOT)] == []


def test_named_boundaries_say_why() -> None:
    assert all(path.endswith(".py") and reason for path, reason in tidy.BOUNDARIES.items())


def test_module_needs_a_docstring() -> None:
    assert [fault.rule for fault in tidy.check_source("node/x.py", "x = 1\n")] == [
        "module without a docstring"
    ]
    assert tidy.check_source("node/__init__.py", "") == []


@pytest.mark.parametrize(("lines", "faults"), [(tidy.MODULE_LINES_MAX, 0), (tidy.MODULE_LINES_MAX + 1, 1)])
def test_module_has_at_most_600_lines(lines: int, faults: int) -> None:
    assert len(check("\n" * (lines - 1), "node/x.py")) == faults


@pytest.mark.parametrize(
    ("lines", "faults"), [(tidy.FUNCTION_LINES_MAX, 0), (tidy.FUNCTION_LINES_MAX + 1, 1)]
)
def test_function_has_at_most_60_body_lines_without_docstring(lines: int, faults: int) -> None:
    body = "".join(f"    x = {number}\n" for number in range(lines))
    assert len(check('def f() -> None:\n    """Do.\n\n    More.\n    """\n' + body, "node/x.py")) == faults


def test_flat_match_counts_as_one_line() -> None:
    arms = "".join(f"        case {number}:\n            return {number}\n" for number in range(80))
    assert check("def f(x: int) -> int:\n    match x:\n" + arms) == []
    assert check(
        "def f(x: int) -> int:\n    match x:\n        case 1000:\n            x = 1\n            x = 2\n"
        + arms
    )


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
def test_leftover_markers_are_faults(word: str) -> None:
    assert check(f"x = 1  # {word} later\n", "tests/x.py") == [
        "leftover marker: do it or record it in the tracker"
    ]


@pytest.mark.parametrize(
    "clause", ["except:", "except Exception:", "except BaseException as e:", "except (OSError, Exception):"]
)
def test_broad_except_only_in_boundary_modules(clause: str) -> None:
    source = f"try:\n    pass\n{clause}\n    pass\n"
    assert check(source, "node/x.py") == ["broad except outside the boundary modules"]
    assert check(source, "node/service.py") == []


def test_broad_except_that_cleans_up_and_raises_again_is_fine() -> None:
    assert check("try:\n    pass\nexcept BaseException:\n    clean_up()\n    raise\n") == []
    assert check("try:\n    pass\nexcept BaseException as e:\n    raise ValueError from e\n") != []


def test_narrow_except_is_fine() -> None:
    assert check("try:\n    pass\nexcept (OSError, ValueError):\n    pass\n") == []


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("x = 1.5\n", "float literal"),
        ("x = 2j\n", "float literal"),
        ("x = 4 / 2\n", "true division: use // or a named rounding"),
        ("x = 4\nx /= 2\n", "true division: use // or a named rounding"),
        ("async def f() -> None:\n    pass\n", "async def"),
        *((f"x = {name}(1)\n", f"call of {name}()") for name in sorted(tidy.BANNED_CALLS)),
    ],
)
def test_nondeterminism_is_a_fault_only_in_runtime_pallets_and_engines(source: str, rule: str) -> None:
    for path in ("runtime/x.py", "pallets/token/x.py", "node/consensus/x.py"):
        assert check(source, path) == [rule]
    assert check(source, "node/x.py") == []


def test_hash_is_allowed_inside_dunder_hash_alone() -> None:
    method = "class A:\n    def {}(self) -> int:\n        return hash(self.key)\n"
    assert check(method.format("__hash__")) == []
    assert check(method.format("order")) == ["call of hash()"]


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}:\n    pass\n",
        "y = [x for x in set(z)]\n",
        "y = {1, 2}\nfor x in y:\n    pass\n",
        "y = list({x for x in z})\n",
        "y = tuple(frozenset(z))\n",
        "y = [*set(z)]\n",
        "y = set(z)\nx = y.pop()\n",
        "def f(y: set[int]) -> None:\n    for x in y:\n        pass\n",
        "def f(y: frozenset[int] | None) -> list[int]:\n    return [x for x in y]\n",
        "def f(y: set[int], z: set[int]) -> list[int]:\n    return [x for x in y - z]\n",
        "class A:\n    def f(self) -> None:\n        self.y: set[int] = set()\n"
        "    def g(self) -> None:\n        for x in self.y:\n            pass\n",
        "x = b''.join({b'a', b'b'})\n",
    ],
)
def test_iteration_over_a_set_is_a_fault(source: str) -> None:
    assert check(source) == ["iteration over a set: sort it first"]


@pytest.mark.parametrize(
    "source",
    [
        "for x in sorted({1, 2}):\n    pass\n",
        "y = {1: 2}\nfor x in y:\n    pass\n",
        "y = 1 in {1, 2}\n",
        "y = len({1, 2})\n",
        "def f(y: set[int]) -> int:\n    return max(y)\n",
        "def f(y: set[int]) -> None: ...\ndef g(y: list[int]) -> None:\n    for x in y:\n        pass\n",
        "y = [1]\nx = y.pop()\n",
    ],
)
def test_uses_of_sets_without_order_are_fine(source: str) -> None:
    assert check(source) == []


def test_faults_name_file_and_line() -> None:
    (fault,) = tidy.check_source("runtime/x.py", '"""Docstring."""\n\nx = 1.5\n')
    assert str(fault) == "runtime/x.py:3: float literal"


if __name__ == "__main__":
    found = tidy.check_tree(ROOT)
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or "tidy\n")
    sys.exit(bool(found))
