"""Values of the types of our metadata against an independent implementation, scalecodec."""

import json
import subprocess
from random import Random  # noqa: TID251  # seeded

import pytest

from apps.chain.dynamic import TypeCodecs
from runtime.primitives.type_info import CompactDef, Composite, SequenceDef, TupleDef, VariantDef
from tests.apps.chain.described import AnyValue, described, raw_metadata
from tests.wallets.availability import require
from tests.wallets.environments import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("wallets")]

VALUES = 10
UNWRITABLE = frozenset({"RuntimeCall", "RuntimeEvent", "Era"})
"""What scalecodec reads and does not write inside of other types, and eras, of which it refuses some."""


def is_written(type_id: int) -> bool:
    """Tell whether scalecodec writes values of a type as it reads them."""
    of = described(14).types[type_id]
    if of.path[-1:] == ("MultiAddress",):
        return True  # without the variant that holds a compact nothing
    if of.path and of.path[-1] in UNWRITABLE:
        return False
    match of.definition:
        case Composite(fields=fields):
            return all(is_written(one.type) for one in fields)
        case VariantDef(variants=variants):
            return all(is_written(field.type) for variant in variants for field in variant.fields)
        case SequenceDef(type=item):
            return is_written(item)
        case CompactDef(type=item):
            return described(14).types[item].definition != TupleDef(())
        case TupleDef(types=items):
            return all(map(is_written, items))
        case _:
            return True


def test_values_are_read_and_written_as_scalecodec_does() -> None:
    command = require("substrate_interface").script("registry")
    types = described(14).types
    codecs, draw = TypeCodecs(types), AnyValue(types, Random(3))
    draw.without = {"MultiAddress": "Index"}
    tried = [number for number in range(len(types)) if is_written(number) and draw.has_values(number)]
    assert len(tried) > len(types) * 4 // 5
    trials = [(number, codecs.encode(number, draw.draw(number))) for number in tried for _ in range(VALUES)]
    lines = ["0x" + raw_metadata(14).hex()]
    lines += [json.dumps({"type": number, "hex": "0x" + data.hex()}) for number, data in trials]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, timeout=240, cwd=ROOT, check=False
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(trials), done.stderr[-2000:]
    pairs = zip(trials, answers, strict=True)
    different = [
        (number, data.hex(), theirs) for (number, data), theirs in pairs if theirs != "0x" + data.hex()
    ]
    assert not different, "\n".join(map(str, different[:5]))
