"""Signatures: one verdict for every input, the strict rules, and key pairs as wallets derive them."""

import pytest
import sr25519
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.primitives.crypto import (
    SECP256K1_ORDER,
    Keypair,
    Scheme,
    compute_seed,
    get_account_id,
    verify,
)
from runtime.primitives.hashing import blake2_256
from runtime.primitives.keys import DEV_ACCOUNTS, DEV_PHRASE, UriError, make_junction

SEED = bytes(range(32))
MESSAGE = b"hello substrate"
PAIRS = {scheme: Keypair.from_seed(SEED, scheme) for scheme in Scheme}
SIGNATURES = {scheme: pair.sign(MESSAGE) for scheme, pair in PAIRS.items()}
schemes = pytest.mark.parametrize("scheme", Scheme)


def test_scheme_values_are_the_variants_of_multi_signature() -> None:
    assert [(scheme.name, scheme.value) for scheme in Scheme] == [
        ("ED25519", 0),
        ("SR25519", 1),
        ("ECDSA", 2),
    ]


@schemes
class TestVerify:
    def test_own_signature_is_valid_under_key_and_account_id(self, scheme: Scheme) -> None:
        pair = PAIRS[scheme]
        assert verify(scheme, pair.public, SIGNATURES[scheme], MESSAGE)
        assert verify(scheme, pair.account_id, SIGNATURES[scheme], MESSAGE)
        assert verify(int(scheme), pair.account_id, SIGNATURES[scheme], MESSAGE)

    @pytest.mark.parametrize("message", [b"", b"x", bytes(100_000)])
    def test_messages_of_any_length(self, scheme: Scheme, message: bytes) -> None:
        signature = PAIRS[scheme].sign(message)
        assert verify(scheme, PAIRS[scheme].public, signature, message)
        assert not verify(scheme, PAIRS[scheme].public, signature, message + b"\0")

    def test_every_flipped_bit_of_the_signature_is_noticed(self, scheme: Scheme) -> None:
        signature = SIGNATURES[scheme]
        for bit in range(0, 8 * len(signature), 3):
            changed = bytearray(signature)
            changed[bit // 8] ^= 1 << bit % 8
            assert not verify(scheme, PAIRS[scheme].account_id, bytes(changed), MESSAGE)

    def test_every_flipped_bit_of_the_key_is_noticed(self, scheme: Scheme) -> None:
        for key in (PAIRS[scheme].account_id, PAIRS[scheme].public):
            for bit in range(0, 8 * len(key), 3):
                changed = bytearray(key)
                changed[bit // 8] ^= 1 << bit % 8
                assert not verify(scheme, bytes(changed), SIGNATURES[scheme], MESSAGE)

    def test_wrong_lengths_are_bad_signatures(self, scheme: Scheme) -> None:
        public, signature = PAIRS[scheme].public, SIGNATURES[scheme]
        for length in (0, 1, 31, 32, 33, 34, 63, 64, 65, 66, 1_000):
            if length != len(signature):
                assert not verify(scheme, public, signature[:length].ljust(length, b"\0"), MESSAGE)
            if length not in (len(public), 32):
                assert not verify(scheme, public[:length].ljust(length, b"\0"), signature, MESSAGE)

    @pytest.mark.parametrize("wrong", [bytearray, memoryview, list, str, lambda _: None, lambda _: 7])
    def test_other_types_than_bytes_are_bad_signatures(self, scheme: Scheme, wrong: type) -> None:
        public, signature = PAIRS[scheme].public, SIGNATURES[scheme]
        assert not verify(scheme, wrong(public), signature, MESSAGE)
        assert not verify(scheme, public, wrong(signature), MESSAGE)
        assert not verify(scheme, public, signature, wrong(MESSAGE))

    @settings(max_examples=60)
    @given(public=st.binary(max_size=70), signature=st.binary(max_size=70), message=st.binary(max_size=40))
    def test_random_bytes_never_raise(
        self, scheme: Scheme, public: bytes, signature: bytes, message: bytes
    ) -> None:
        assert not verify(scheme, public, signature, message)

    @settings(max_examples=60)
    @given(data=st.data())
    def test_random_bytes_of_the_right_length_never_raise(self, scheme: Scheme, data: st.DataObject) -> None:
        public = data.draw(st.binary(min_size=32, max_size=33))
        signature = data.draw(st.binary(min_size=64, max_size=65))
        assert not verify(scheme, public, signature, MESSAGE)
        assert not verify(scheme, PAIRS[scheme].public, signature, MESSAGE)
        assert not verify(scheme, public, SIGNATURES[scheme], MESSAGE)

    def test_signature_of_another_scheme_is_bad(self, scheme: Scheme) -> None:
        for other in Scheme:
            if other is not scheme:
                assert not verify(other, PAIRS[scheme].public, SIGNATURES[scheme], MESSAGE)


@pytest.mark.parametrize("scheme", [-1, 3, 255, 2**64])
def test_unknown_scheme_is_a_bad_signature(scheme: int) -> None:
    for known in Scheme:
        assert not verify(scheme, PAIRS[known].public, SIGNATURES[known], MESSAGE)


class TestEd25519:
    # RFC 8032 section 7.1, test 2.
    def test_rfc_8032_vector(self) -> None:
        pair = Keypair.from_seed(
            bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), Scheme.ED25519
        )
        assert pair.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        assert pair.sign(b"\x72").hex() == (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        )

    def test_s_plus_the_group_order_is_refused(self) -> None:
        order = 2**252 + 27742317777372353535851937790883648493
        signature = SIGNATURES[Scheme.ED25519]
        scalar = int.from_bytes(signature[32:], "little") + order
        moved = signature[:32] + scalar.to_bytes(32, "little")
        assert not verify(Scheme.ED25519, PAIRS[Scheme.ED25519].public, moved, MESSAGE)

    def test_small_order_key_signs_nothing(self) -> None:
        identity = b"\x01" + bytes(31)
        assert not verify(Scheme.ED25519, identity, identity + bytes(32), MESSAGE)

    def test_bytes_do_not_move_between_signature_and_message(self) -> None:
        public, signed = PAIRS[Scheme.ED25519].public, SIGNATURES[Scheme.ED25519] + MESSAGE
        for length in (0, 1, 32, 63, 65, 70, len(signed)):
            assert not verify(Scheme.ED25519, public, signed[:length], signed[length:])

    def test_signing_is_deterministic(self) -> None:
        assert PAIRS[Scheme.ED25519].sign(MESSAGE) == SIGNATURES[Scheme.ED25519]


class TestSr25519:
    def test_identity_key_signs_nothing(self) -> None:
        universal = bytes(63) + b"\x80"
        # schnorrkel alone takes it: whoever names the zero account could spend from it.
        assert sr25519.verify(universal, MESSAGE, bytes(32))
        assert not verify(Scheme.SR25519, bytes(32), universal, MESSAGE)

    def test_unmarked_signature_is_refused(self) -> None:
        signature = SIGNATURES[Scheme.SR25519]
        unmarked = signature[:63] + bytes((signature[63] & 0x7F,))
        assert not verify(Scheme.SR25519, PAIRS[Scheme.SR25519].public, unmarked, MESSAGE)

    def test_key_that_is_no_point_is_a_bad_signature(self) -> None:
        assert not verify(Scheme.SR25519, b"\xff" * 32, SIGNATURES[Scheme.SR25519], MESSAGE)

    def test_scalar_above_the_order_is_a_bad_signature(self) -> None:
        signature = SIGNATURES[Scheme.SR25519][:32] + b"\xff" * 32
        assert not verify(Scheme.SR25519, PAIRS[Scheme.SR25519].public, signature, MESSAGE)

    def test_soft_children_agree_on_the_public_key(self) -> None:
        one, other = (Keypair.from_uri("//Alice/soft", Scheme.SR25519) for _ in range(2))
        assert one == other
        assert verify(Scheme.SR25519, one.public, other.sign(MESSAGE), MESSAGE)


class TestEcdsa:
    def test_high_s_twin_is_refused(self) -> None:
        signature = SIGNATURES[Scheme.ECDSA]
        scalar = int.from_bytes(signature[32:64], "big")
        assert scalar <= SECP256K1_ORDER // 2
        twin = signature[:32] + (SECP256K1_ORDER - scalar).to_bytes(32, "big") + bytes((signature[64] ^ 1,))
        assert not verify(Scheme.ECDSA, PAIRS[Scheme.ECDSA].public, twin, MESSAGE)
        assert not verify(Scheme.ECDSA, PAIRS[Scheme.ECDSA].account_id, twin, MESSAGE)

    @pytest.mark.parametrize("offset", [4, 27, 31, 252])
    def test_recovery_id_has_one_form(self, offset: int) -> None:
        signature = SIGNATURES[Scheme.ECDSA]
        shifted = signature[:64] + bytes(((signature[64] + offset) % 256,))
        assert not verify(Scheme.ECDSA, PAIRS[Scheme.ECDSA].public, shifted, MESSAGE)

    @pytest.mark.parametrize("zeroed", [slice(0, 32), slice(32, 64)])
    def test_zero_scalars_are_refused(self, zeroed: slice) -> None:
        signature = bytearray(SIGNATURES[Scheme.ECDSA])
        signature[zeroed] = bytes(32)
        assert not verify(Scheme.ECDSA, PAIRS[Scheme.ECDSA].public, bytes(signature), MESSAGE)

    def test_account_id_is_the_hash_of_the_compressed_key(self) -> None:
        pair = PAIRS[Scheme.ECDSA]
        assert len(pair.public) == 33
        assert pair.account_id == blake2_256(pair.public) == get_account_id(Scheme.ECDSA, pair.public)

    def test_message_is_hashed_with_blake2(self) -> None:
        assert not verify(
            Scheme.ECDSA, PAIRS[Scheme.ECDSA].public, SIGNATURES[Scheme.ECDSA], blake2_256(MESSAGE)
        )

    @pytest.mark.parametrize("scalar", [0, SECP256K1_ORDER, SECP256K1_ORDER + 1, 2**256 - 1])
    def test_seed_outside_the_scalars_is_refused(self, scalar: int) -> None:
        with pytest.raises(UriError, match="scalars of secp256k1"):
            Keypair.from_seed(scalar.to_bytes(32, "big"), Scheme.ECDSA)

    def test_largest_scalar_is_a_key(self) -> None:
        pair = Keypair.from_seed((SECP256K1_ORDER - 1).to_bytes(32, "big"), Scheme.ECDSA)
        assert verify(Scheme.ECDSA, pair.public, pair.sign(MESSAGE), MESSAGE)


@schemes
class TestKeypair:
    @pytest.mark.parametrize("length", [0, 31, 33, 64])
    def test_other_seed_lengths_are_refused(self, scheme: Scheme, length: int) -> None:
        with pytest.raises(UriError, match="32 bytes"):
            Keypair.from_seed(bytes(length), scheme)

    def test_mnemonic_hex_seed_and_raw_seed_are_one_key(self, scheme: Scheme) -> None:
        pair = Keypair.from_uri(DEV_PHRASE, scheme)
        assert pair.seed is not None
        assert Keypair.from_uri("0x" + pair.seed.hex(), scheme) == pair
        assert Keypair.from_seed(pair.seed, scheme) == pair

    def test_dev_phrase_is_the_default(self, scheme: Scheme) -> None:
        assert Keypair.from_uri("//Alice", scheme) == Keypair.from_uri(f"{DEV_PHRASE}//Alice", scheme)

    def test_password_changes_the_key_and_the_argument_replaces_it(self, scheme: Scheme) -> None:
        plain = Keypair.from_uri("//Alice", scheme)
        locked = Keypair.from_uri("//Alice///secret", scheme)
        assert plain != locked
        assert Keypair.from_uri("//Alice", scheme, "secret") == locked
        assert Keypair.from_uri("//Alice///other", scheme, "secret") == locked
        assert Keypair.from_uri("//Alice///secret", scheme, "") == plain

    def test_path_is_derived_step_by_step(self, scheme: Scheme) -> None:
        step = Keypair.from_uri("//Alice", scheme).derive(make_junction("stash", is_hard=True))
        assert step == Keypair.from_uri("//Alice//stash", scheme)

    def test_dev_accounts_are_different_keys(self, scheme: Scheme) -> None:
        assert len({Keypair.from_uri(uri, scheme).account_id for uri in DEV_ACCOUNTS}) == 12

    def test_text_form_shows_no_secret(self, scheme: Scheme) -> None:
        pair = PAIRS[scheme]
        shown = f"{pair} {pair!r}"
        assert repr(SEED)[2:-1] not in shown
        assert "seed" not in shown
        assert "secret" not in shown

    def test_pairs_compare_by_scheme_and_public_key(self, scheme: Scheme) -> None:
        assert Keypair.from_seed(SEED, scheme) == PAIRS[scheme]
        assert Keypair.from_seed(bytes(31) + b"\1", scheme) != PAIRS[scheme]
        assert len({*PAIRS.values(), Keypair.from_seed(SEED, scheme)}) == len(Scheme)


# Keys that polkadot.js derives, in tests/vectors/data/wire.json.
@pytest.mark.parametrize(
    ("scheme", "uri", "public"),
    [
        (Scheme.SR25519, "//Alice", "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"),
        (Scheme.SR25519, "//Alice/soft", "02cfd83074aefc9955af4034d19b3780d47a52e158ababec8ec012b2295f1c5b"),
        (Scheme.ED25519, "//Alice", "88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee"),
        (Scheme.ECDSA, "//Alice", "020a1091341fe5664bfa1782d5e04779689068c916b04cb365ec3153755684d9a1"),
    ],
)
def test_derivation_is_that_of_the_wallets(scheme: Scheme, uri: str, public: str) -> None:
    assert Keypair.from_uri(uri, scheme).public.hex() == public


@pytest.mark.parametrize("scheme", [Scheme.ED25519, Scheme.ECDSA])
def test_soft_junction_is_refused_outside_sr25519(scheme: Scheme) -> None:
    with pytest.raises(UriError, match="no soft derivation"):
        Keypair.from_uri("//Alice/soft", scheme)


@pytest.mark.parametrize("uri", ["", "Alice", "//", "0x00", "//Alice\n"])
@schemes
def test_malformed_uri_is_the_typed_error(scheme: Scheme, uri: str) -> None:
    with pytest.raises(UriError):
        Keypair.from_uri(uri, scheme)


def test_seed_of_a_derived_key_is_kept_where_the_scheme_has_one() -> None:
    assert Keypair.from_uri("//Alice", Scheme.SR25519).seed is None
    for scheme in (Scheme.ED25519, Scheme.ECDSA):
        pair = Keypair.from_uri("//Alice", scheme)
        assert pair.seed is not None
        assert Keypair.from_seed(pair.seed, scheme) == pair


@pytest.mark.parametrize(
    ("uri", "seed"),
    [
        ("", "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"),
        ("//Alice", "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a"),
        ("//Bob", "398f0c28f98885e046333d4a41c19cee4c37368a9832c6502f6cfd182e2aef89"),
        ("//Charlie", "bc1ede780f784bb6991a585e4f6e61522c14e1cae6ad0895fb57b9a205a8f938"),
    ],
)
def test_seed_of_hard_derived_sr25519_keys_is_that_of_subkey(uri: str, seed: str) -> None:
    assert compute_seed(DEV_PHRASE + uri, Scheme.SR25519) == bytes.fromhex(seed)


@pytest.mark.parametrize("uri", [DEV_PHRASE, "//Alice", "//Alice//stash", "//1///password", "//a" * 9])
@schemes
def test_seed_has_the_key_without_the_path(scheme: Scheme, uri: str) -> None:
    for password in (None, "other"):
        seed = compute_seed(uri, scheme, password)
        assert seed is not None
        assert Keypair.from_seed(seed, scheme) == Keypair.from_uri(uri, scheme, password)


@pytest.mark.parametrize("uri", ["/soft", "//Alice/soft", "/soft//hard", "//Alice/soft//hard///password"])
def test_no_seed_has_the_key_of_a_soft_path(uri: str) -> None:
    assert compute_seed(uri, Scheme.SR25519) is None
    for scheme in (Scheme.ED25519, Scheme.ECDSA):
        with pytest.raises(UriError):
            compute_seed(uri, scheme)


@pytest.mark.parametrize("uri", ["", "//", "0x00", "//Alice\n"])
@schemes
def test_malformed_uri_has_no_seed(scheme: Scheme, uri: str) -> None:
    with pytest.raises(UriError):
        compute_seed(uri, scheme)
