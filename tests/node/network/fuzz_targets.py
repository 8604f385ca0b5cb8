"""Every target of fuzzing: those of `fuzz.py`, and what authorities say to each other."""

from typing import Final

from node.consensus.messages import Decided, Status, decode_message, encode_message
from runtime.primitives.certificate import (
    Certificate,
    IndexedVote,
    decode_certificate,
    encode_certificate,
)
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash
from tests.node.network.fuzz import CHEAP, EXPENSIVE, HASH, FuzzFailure, Target

CERTIFICATE: Final = Certificate(
    1, 2, 2, 0, Hash(HASH), (IndexedVote(0, b"\1" * 64), IndexedVote(2, b"\2" * 64))
)


def take_consensus(data: bytes) -> None:
    """Decode what an authority says: it has this one form."""
    try:
        message = decode_message(data)
    except DecodeError:
        return
    if encode_message(message) != data:
        raise FuzzFailure("a message of the agreement has two forms")


def take_certificate(data: bytes) -> None:
    """Decode a certificate: it has this one form."""
    try:
        certificate = decode_certificate(data)
    except DecodeError:
        return
    if encode_certificate(certificate) != data:
        raise FuzzFailure("a certificate has two forms")


TARGETS: Final = {
    target.name: target
    for target in (
        *CHEAP,
        EXPENSIVE,
        Target(
            "consensus", (encode_message(Status(7, 1)), encode_message(Decided(CERTIFICATE))), take_consensus
        ),
        Target("certificate", (encode_certificate(CERTIFICATE),), take_certificate),
    )
}
