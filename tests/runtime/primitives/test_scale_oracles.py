"""SCALE against two independent implementations: scalecodec and the types of polkadot.js.

Values of generated types must have the same bytes in all three. Our decoder must accept damaged bytes if and
only if the other one accepts them *and* encodes what it read to the same bytes: the others are lenient, ours
takes nothing but the canonical form.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from runtime.primitives.scale import DecodeError, codec
from tests.runtime.primitives.scale_cases import CASES, Case, Type, native
from tests.wallets.availability import require
from tests.wallets.environments import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("wallets")]

CASE_COUNT = 400
ORACLE_TIMEOUT_S = 120

# scalecodec keeps invalid UTF-8 as hex and takes compact integers wider than their type.
LENIENT = {"polkadot_js": frozenset[str](), "substrate_interface": frozenset({"text", "compact"})}

Oracle = Callable[[list[dict[str, Any]]], list[str | None]]


@cache
def cases() -> list[Case]:
    """Generated once, the same on every run."""
    found: list[Case] = []

    @settings(
        max_examples=CASE_COUNT,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(CASES)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


@pytest.fixture(params=sorted(LENIENT))
def library(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def oracle(library: str) -> Oracle:
    """Answers many requests with one process."""
    command = require(library).script("scale")

    def ask(requests: list[dict[str, Any]]) -> list[str | None]:
        lines = "".join(json.dumps(each) + "\n" for each in requests)
        done = subprocess.run(
            command,
            input=lines,
            capture_output=True,
            text=True,
            timeout=ORACLE_TIMEOUT_S,
            cwd=ROOT,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(requests), f"answer {len(answers)} is missing: {done.stderr[-2000:]}"
        return answers

    return ask


def _encoded(case: Case) -> bytes:
    kind = native(case.type)
    return codec(kind.annotation).encode(kind.make(case.value))


def _accepts(type_: Type, data: bytes) -> bool:
    try:
        codec(native(type_).annotation).decode(data)
    except DecodeError:
        return False
    return True


def _damaged(case: Case) -> Iterator[bytes]:
    """Changed, cut, a compact made longer than need be, and extended: the ways in which bytes go wrong."""
    data = _encoded(case)
    if data:
        place = case.place % len(data)
        yield data[:place] + bytes([case.byte]) + data[place + 1 :]
        yield data[:place]
        yield bytes([data[0] << 2 & 0xFF | 1, data[0] >> 6]) + data[1:]
    yield data + bytes([case.byte])


def test_values_have_the_same_bytes(oracle: Oracle) -> None:
    theirs = oracle([{"type": case.type, "value": case.value} for case in cases()])
    ours = ["0x" + _encoded(case).hex() for case in cases()]
    different = [row for row in zip(cases(), ours, theirs, strict=True) if row[1] != row[2]]
    assert not different, "\n".join(map(str, different[:5]))


def test_own_bytes_decode_to_the_same_value() -> None:
    for case in cases():
        kind = native(case.type)
        subject = codec(kind.annotation)
        value = kind.make(case.value)
        assert subject.decode(subject.encode(value)) == value


def test_damaged_bytes_are_accepted_only_in_canonical_form(oracle: Oracle, library: str) -> None:
    trials = [(case.type, data) for case in cases() for data in _damaged(case)]
    theirs = oracle([{"type": type_, "hex": "0x" + data.hex()} for type_, data in trials])
    accepted = [_accepts(type_, data) for type_, data in trials]
    assert CASE_COUNT // 10 < sum(accepted) < len(trials) // 2
    different = []
    for (type_, data), ours, their in zip(trials, accepted, theirs, strict=True):
        agreed = ours == (their == "0x" + data.hex())
        if not agreed and (ours or not any(kind in json.dumps(type_) for kind in LENIENT[library])):
            different.append((type_, data.hex(), their))
    assert not different, "\n".join(map(str, different[:5]))
