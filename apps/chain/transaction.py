"""Signed transactions: what the extensions of a chain add to a call, and the signature over all of it.

Pure. Responsible for the standard extensions; one that it does not know is passed over if it adds no bytes,
and is an error otherwise. Source: the signed extensions of polkadot-sdk's frame-system and
transaction-payment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from apps.chain.errors import UnknownName
from apps.chain.runtime import Runtime, Version
from apps.chain.values import Encoded
from runtime.primitives.crypto import Keypair
from runtime.primitives.era import Era, encode_era
from runtime.primitives.extrinsic import EXTRINSIC_VERSION, seal_envelope, signed_message
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import Hash


class Terms(NamedTuple):
    """What a signer decides beside the call; `birth_hash` is the block that the era begins with."""

    nonce: int
    tip: int
    era: Era
    birth_hash: Hash


class _Added(NamedTuple):
    extra: bytes = b""
    additional: bytes = b""


_Extension: TypeAlias = Callable[[Terms, Version, Hash], _Added]


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


_KNOWN: Final[dict[str, _Extension]] = {
    "CheckSpecVersion": lambda _, version, __: _Added(b"", _u32(version.spec_version)),
    "CheckTxVersion": lambda _, version, __: _Added(b"", _u32(version.transaction_version)),
    "CheckGenesis": lambda _, __, genesis: _Added(b"", genesis),
    "CheckMortality": lambda terms, _, __: _Added(encode_era(terms.era), terms.birth_hash),
    "CheckNonce": lambda terms, _, __: _Added(encode_compact(terms.nonce)),
    "ChargeTransactionPayment": lambda terms, _, __: _Added(encode_compact(terms.tip)),
    "ChargeAssetTxPayment": lambda terms, _, __: _Added(encode_compact(terms.tip) + b"\0"),  # in no asset
    "CheckMetadataHash": lambda _, __, ___: _Added(b"\0", b"\0"),  # the check is off, so no hash is signed
}


def sign_call(runtime: Runtime, genesis: Hash, call: Encoded, signer: Keypair, terms: Terms) -> bytes:
    """Return the bytes of a signed transaction of format 4; UnknownName where an extension is not known."""
    if runtime.metadata.extrinsic_version != EXTRINSIC_VERSION:
        raise UnknownName(f"extrinsics of format {runtime.metadata.extrinsic_version} cannot be made")
    added = [
        _add(runtime, genesis, terms, one.identifier, (one.type, one.additional))
        for one in runtime.metadata.extensions
    ]
    extra = b"".join(one.extra for one in added)
    payload = call.data + extra + b"".join(one.additional for one in added)
    signature = signer.sign(signed_message(payload))
    return seal_envelope(signer.account_id, signer.scheme, signature, extra, call.data)


def hash_of(extrinsic: bytes) -> Hash:
    """Return the hash that names a transaction."""
    return Hash(blake2_256(extrinsic))


def _add(runtime: Runtime, genesis: Hash, terms: Terms, name: str, types: tuple[int, int]) -> _Added:
    known = _KNOWN.get(name)
    if known is not None:
        return known(terms, runtime.version, genesis)
    if any(runtime.codecs.codec(type_id).least for type_id in types):
        raise UnknownName(f"the extension {name} adds something that is not known here")
    return _Added()
