"""Transactions that the library signs are what our runtime takes, and unknown extensions are told apart."""

import pytest

from apps.chain.errors import UnknownName
from apps.chain.metadata import Metadata
from apps.chain.runtime import Runtime, Version
from apps.chain.transaction import Terms, hash_of, sign_call
from apps.chain.values import Encoded
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.era import IMMORTAL, Era, encode_era
from runtime.primitives.hashing import blake2_256
from runtime.primitives.metadata import ExtensionMetadata
from runtime.primitives.types import Hash
from tests.apps.chain.described import described
from tests.support.chain import BOB, block_hash, consortium_chain

RUNTIME = Runtime(described(), Version(1, 1))
GENESIS = block_hash(0)
PAIR = Keypair.from_uri("//Alice", Scheme.SR25519)
TERMS = Terms(0, 0, IMMORTAL, GENESIS)


def transfer(value: int = 7) -> Encoded:
    return RUNTIME.call("Balances", "transfer_keep_alive", dest=BOB, value=value)


def unit_type() -> int:
    return next(n for n in range(len(described().types)) if not RUNTIME.codecs.codec(n).least)


def with_extensions(*extensions: ExtensionMetadata) -> Runtime:
    changed: Metadata = described()._replace(extensions=extensions)
    return Runtime(changed, Version(1, 1))


@pytest.mark.parametrize("scheme", [Scheme.SR25519, Scheme.ED25519, Scheme.ECDSA])
@pytest.mark.parametrize("size", [10, 300], ids=["short", "hashed"])
def test_our_runtime_finds_the_signature_right(scheme: Scheme, size: int) -> None:
    chain = consortium_chain()
    pair = Keypair.from_uri("//Alice", scheme)
    call = RUNTIME.call("System", "remark", remark=bytes(size))
    terms = Terms(5, 9, Era(64, 0), GENESIS)
    raw = sign_call(RUNTIME, GENESIS, call, pair, terms)
    extrinsic = chain.api.decode_extrinsic(raw)
    assert verify(*chain.api.signature_job(extrinsic))
    assert extrinsic.signer == pair.account_id
    assert extrinsic.hash == hash_of(raw) == blake2_256(raw)
    assert extrinsic.call.encoded() == call.data
    assert [one for one in extrinsic.extra if isinstance(one, int)] == [5, 9]


@pytest.mark.parametrize(
    ("version", "genesis", "birth", "is_right"),
    [
        (Version(1, 1), GENESIS, GENESIS, True),
        (Version(2, 1), GENESIS, GENESIS, False),
        (Version(1, 2), GENESIS, GENESIS, False),
        (Version(1, 1), block_hash(1), GENESIS, False),
        (Version(1, 1), GENESIS, block_hash(1), False),
    ],
    ids=["right", "spec version", "transaction version", "genesis", "birth"],
)
def test_a_signature_commits_to_version_chain_and_era(
    version: Version, genesis: Hash, birth: Hash, *, is_right: bool
) -> None:
    api = consortium_chain().api
    terms = TERMS._replace(birth_hash=birth)
    raw = sign_call(Runtime(described(), version), genesis, transfer(), PAIR, terms)
    assert verify(*api.signature_job(api.decode_extrinsic(raw))) == is_right


def test_extensions_add_their_bytes_in_order() -> None:
    byte = described().types.index(next(one for one in described().types if one.path[-1:] == ("Era",)))
    unit = unit_type()
    named = [
        ExtensionMetadata(name, byte, unit) for name in ("CheckNonce", "CheckMortality", "CheckMetadataHash")
    ]
    runtime = with_extensions(*named, ExtensionMetadata("ChargeAssetTxPayment", byte, unit))
    terms = Terms(3, 4, Era(64, 1), GENESIS)
    raw = sign_call(runtime, GENESIS, transfer(), Keypair.from_uri("//Alice", Scheme.ED25519), terms)
    assert raw.endswith(
        bytes([3 << 2]) + encode_era(Era(64, 1)) + b"\0" + bytes([4 << 2, 0]) + transfer().data
    )


def test_an_unknown_extension_is_passed_over_if_it_adds_nothing() -> None:
    unit = unit_type()
    plain = sign_call(with_extensions(), GENESIS, transfer(), PAIR, TERMS)
    strange = with_extensions(ExtensionMetadata("CheckWeather", unit, unit))
    assert len(sign_call(strange, GENESIS, transfer(), PAIR, TERMS)) == len(plain)


@pytest.mark.parametrize("position", [0, 1])
def test_an_unknown_extension_that_adds_something_is_an_error(position: int) -> None:
    types = [unit_type(), unit_type()]
    types[position] = described().call
    with pytest.raises(UnknownName, match="CheckWeather"):
        sign_call(
            with_extensions(ExtensionMetadata("CheckWeather", *types)), GENESIS, transfer(), PAIR, TERMS
        )


def test_another_format_of_extrinsics_is_an_error() -> None:
    runtime = Runtime(described()._replace(extrinsic_version=5), Version(1, 1))
    with pytest.raises(UnknownName, match="format 5"):
        sign_call(runtime, GENESIS, transfer(), PAIR, TERMS)
