"""The runtime APIs that validators use: session keys, and reports of offences.

Responsible for their names and types as clients know them; the pallets that answer are Protocols. Source:
sp_session::SessionKeys version 2. `OffencesApi` is our own: the node hands evidence in as it was signed.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, Protocol, TypeAlias

from runtime.frame.api import Api, ApiMethod
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.evidence import Evidence
from runtime.primitives.keys import UriError
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import DecodeError, Length, Struct

KeyTypeId: TypeAlias = Annotated[bytes, Length(4)]


class SessionKeyType(NamedTuple):
    """One of a validator's keys as the runtime lists them."""

    key_type: bytes
    scheme: Scheme
    length: int = 32


class GeneratedSessionKeys(Struct, path="sp_session::runtime_api::OpaqueGeneratedSessionKeys"):
    """Public session keys and the proof that goes with them into `Session.set_keys`."""

    keys: bytes
    proof: bytes


class ReportSource(Protocol):
    """Where offences are judged."""

    def make_report(self, evidence: Evidence) -> bytes | None:
        """Return the unsigned extrinsic that reports an offence, None when the chain would refuse it."""
        ...


def session_keys_api(listed: tuple[SessionKeyType, ...]) -> Api:
    """Return `SessionKeys` for keys in this order."""

    def generate(owner: bytes, seed: bytes | None) -> GeneratedSessionKeys:
        if seed is None:
            raise DecodeError("a runtime keeps no secrets: new keys are made by author_rotateKeysWithOwner")
        pairs = [_derive(seed, one.scheme) for one in listed]
        message = possession_message(owner)
        return GeneratedSessionKeys(
            b"".join(pair.public for pair in pairs), b"".join(pair.sign(message) for pair in pairs)
        )

    def decode(encoded: bytes) -> tuple[tuple[bytes, bytes], ...] | None:
        if len(encoded) != sum(one.length for one in listed):
            return None
        found: list[tuple[bytes, bytes]] = []
        position = 0
        for one in listed:
            found.append((encoded[position : position + one.length], one.key_type))
            position += one.length
        return tuple(found)

    return Api(
        "SessionKeys",
        2,
        (
            ApiMethod(
                "generate_session_keys",
                (("owner", bytes), ("seed", bytes | None)),
                GeneratedSessionKeys,
                generate,
                "The session keys of a secret URI, with the proof for the account that registers them.",
            ),
            ApiMethod(
                "decode_session_keys",
                (("encoded", bytes),),
                tuple[tuple[bytes, KeyTypeId], ...] | None,
                decode,
                "The public keys in encoded session keys, each with its type.",
            ),
        ),
        "The session keys of validators.",
    )


def offences_api(source: ReportSource) -> Api:
    """Return `OffencesApi`: what a node needs to report an offence."""
    method = ApiMethod(
        "make_report",
        (("evidence", Evidence),),
        bytes | None,
        source.make_report,
        "The unsigned extrinsic that reports an offence, None where the chain would refuse it.",
    )
    return Api("OffencesApi", 1, (method,), "Reports of validators that broke the protocol.")


def _derive(seed: bytes, scheme: Scheme) -> Keypair:
    try:
        return Keypair.from_uri(seed.decode(), scheme)
    except (UnicodeDecodeError, UriError) as error:
        raise DecodeError("the seed is no secret URI") from error
