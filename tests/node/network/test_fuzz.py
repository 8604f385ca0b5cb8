"""The fuzzer itself can fail, and a long run of it does not."""

from collections.abc import Callable

import pytest

from node.network import messages
from node.network.frames import FrameOpener
from tests.node.network import fuzz, fuzz_targets


def test_a_short_run_finds_nothing() -> None:
    assert sum(fuzz.run(3000, 1).values()) == 3000


def test_inputs_follow_from_seed_and_number() -> None:
    one = [fuzz.mutate(fuzz.TAGGED, fuzz.Dice(1, number)) for number in range(50)]
    assert one == [fuzz.mutate(fuzz.TAGGED, fuzz.Dice(1, number)) for number in range(50)]
    assert one != [fuzz.mutate(fuzz.TAGGED, fuzz.Dice(2, number)) for number in range(50)]
    assert len(set(one)) > 45


def test_the_corpus_is_taken_as_it_is() -> None:
    for data in fuzz.TAGGED:
        kind = fuzz.KINDS[data[0]]
        assert messages.encode_message(messages.decode_message(kind, data[1:])) == data[1:]
    fuzz.take_sealed(fuzz.SEALED)
    fuzz.take_handshake(fuzz.HANDSHAKE[1])
    fuzz.take_store(fuzz.make_store())


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_every_target_takes_its_corpus_and_changes_of_it(name: str) -> None:
    target = fuzz_targets.TARGETS[name]
    for data in target.corpus:
        target.take(data)
    for number in range(50):
        target.take(fuzz.mutate(target.corpus, fuzz.Dice(2, number)))


def plant_second_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "encode_message", lambda message: messages.encode_message(message) + b"x")


def plant_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameOpener, "open", lambda _, data: data)


def plant_other_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, __: bytes) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(fuzz, "decode_message", fail)


@pytest.mark.parametrize("plant", [plant_second_form, plant_open_door, plant_other_error])
def test_a_planted_fault_is_found_with_its_input(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    with pytest.raises((fuzz.FuzzFailure, KeyError)) as caught:
        fuzz.run(2000, 1)
    assert "seed 1, input" in caught.value.__notes__[0]


@pytest.mark.slow
def test_a_long_run_finds_nothing() -> None:
    counts = fuzz.run(200_000, 2)
    assert counts["handshake"] > 6_000
    assert counts["message"] > 60_000
