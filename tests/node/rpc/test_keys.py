"""Keys over RPC: what is kept and under which name, what is refused, and that no secret comes back."""

import json
from pathlib import Path

import pytest

from genesis.consortium import SESSION_KEY_TYPES
from node.keystore import Keystore
from node.keystore.store import KEYS_MAX
from node.rpc.dispatch import Caller, Dispatcher, NoObserver
from node.rpc.groups.keys import RESTART_NEEDED, KeyMethods, SessionKey
from node.rpc.jsonrpc import Limits
from node.rpc.methods import Methods
from node.service import SESSION_KEYS
from runtime.primitives.crypto import Keypair, Scheme, verify
from tests.support.node_chain import AUTHORITY

SESSION = (SessionKey("gran", Scheme.ED25519), SessionKey("babe", Scheme.SR25519))
PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"


class Bench:
    """The key methods over a keystore, behind the real dispatcher."""

    def __init__(self, keystore: Keystore, *, unsafe: bool = True, signs_with: bytes | None = None) -> None:
        self.keystore = keystore
        methods = Methods(KeyMethods(keystore, SESSION, signs_with=signs_with))
        self.dispatcher = Dispatcher(methods, limits=Limits(), now=lambda: 0.0, observer=NoObserver())
        self.caller = Caller("127.0.0.1", "http", unsafe)

    async def call(self, name: str, *params: object) -> object:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
        answer = json.loads(
            await self.dispatcher.answer(await self.dispatcher.read(body), self.caller, []) or b""
        )
        return (
            answer["result"] if "result" in answer else (answer["error"]["code"], answer["error"]["message"])
        )


def public(uri: str, scheme: Scheme) -> str:
    return "0x" + Keypair.from_uri(uri, scheme).public.hex()


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_inserted_key_is_found_by_type_and_public_key_and_survives_a_restart(
    tmp_path: Path, scheme: Scheme
) -> None:
    bench = Bench(Keystore(tmp_path / "keystore", plain=True))
    name = {Scheme.ED25519: "gran", Scheme.SR25519: "babe", Scheme.ECDSA: "beef"}[scheme]
    key = public("//Key", scheme)
    assert await bench.call("author_hasKey", key, name) is False
    assert await bench.call("author_insertKey", name, "//Key", key) is None
    assert await bench.call("author_hasKey", key, name) is True
    assert await bench.call("author_hasKey", key, "acco") is False
    assert await bench.call("author_hasKey", public("//Other", scheme), name) is False
    again = Keystore(tmp_path / "keystore", plain=True)
    assert again.get_keypair(name, bytes.fromhex(key[2:])).public.hex() == key[2:]


async def test_password_of_a_plain_keystore_belongs_to_the_key(tmp_path: Path) -> None:
    bench = Bench(Keystore(tmp_path / "keystore", plain=True, password="secret"))
    with_password = "0x" + Keypair.from_uri(PHRASE, Scheme.ED25519, "secret").public.hex()
    assert (await bench.call("author_insertKey", "gran", PHRASE, public(PHRASE, Scheme.ED25519))) == (
        1040,
        "the secret URI is malformed or gives another public key than this",
    )
    assert await bench.call("author_insertKey", "gran", PHRASE, with_password) is None


async def test_sealed_keystore_takes_keys_and_one_without_its_password_refuses(tmp_path: Path) -> None:
    key = public("//Key", Scheme.ED25519)
    bench = Bench(Keystore(tmp_path / "keystore", password="secret"))
    assert await bench.call("author_insertKey", "gran", "//Key", key) is None
    locked = Bench(Keystore(tmp_path / "keystore"))
    assert await locked.call("author_hasKey", key, "gran") is True
    other = public("//Other", Scheme.ED25519)
    assert await locked.call("author_insertKey", "gran", "//Other", other) == (
        1040,
        "The key store is unavailable",
    )


async def test_running_authority_is_told_to_restart_for_another_key_of_its_kind() -> None:
    bench = Bench(Keystore(None), signs_with=AUTHORITY.public)
    other = public("//Other", Scheme.ED25519)
    assert await bench.call("author_insertKey", "gran", "//Other", other) == RESTART_NEEDED
    assert await bench.call("author_insertKey", "gran", "//Alice", public("//Alice", Scheme.ED25519)) is None
    assert await bench.call("author_insertKey", "acco", "//Other", other) is None
    observer = Bench(Keystore(None))
    assert await observer.call("author_insertKey", "gran", "//Other", other) is None


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (["gran", "//Key", public("//Other", Scheme.ED25519)], 1040),
        (["gran", "//Key", public("//Key", Scheme.SR25519)], 1040),
        (["babe", "//Key", public("//Key", Scheme.ED25519)], 1040),
        (["gran", "no phrase at all", public("//Key", Scheme.ED25519)], 1040),
        (["gran", "", public("//Key", Scheme.ED25519)], 1040),
        (["gra", "//Key", public("//Key", Scheme.ED25519)], 1040),
        (["grand", "//Key", public("//Key", Scheme.ED25519)], 1040),
        (["gr\nn", "//Key", public("//Key", Scheme.ED25519)], 1040),
        (["gran", "//Key", "0x"], 1040),
        (["gran", "//Key", "0x" + "00" * 34], -32602),
        (["gran", "//Key", "0x0"], -32602),
        (["gran", "/" * 5000, public("//Key", Scheme.ED25519)], -32602),
        (["gran", 7, public("//Key", Scheme.ED25519)], -32602),
        (["gran", "//Key"], -32602),
    ],
)
async def test_key_that_is_not_what_it_is_said_to_be_is_refused(params: list[object], code: int) -> None:
    keystore = Keystore(None)
    answer = await Bench(keystore).call("author_insertKey", *params)
    assert isinstance(answer, tuple)
    assert answer[0] == code
    assert keystore.list_keys() == ()


async def test_secret_is_never_repeated() -> None:
    bench = Bench(Keystore(None))
    for params in (["gran", PHRASE + "x", "0x00"], ["gran", PHRASE, "0x00"], ["gra", PHRASE, "0x00"]):
        assert "curtain" not in str(await bench.call("author_insertKey", *params))


async def test_rotated_keys_prove_to_whom_they_belong() -> None:
    keystore = Keystore(None)
    bench = Bench(keystore)
    owner = "0x" + "ab" * 32
    answer = await bench.call("author_rotateKeysWithOwner", owner)
    assert isinstance(answer, dict)
    assert set(answer) == {"keys", "proof"}
    assert await bench.call("author_hasSessionKeys", answer["keys"]) is True
    keys, proof = bytes.fromhex(answer["keys"][2:]), bytes.fromhex(answer["proof"][2:])
    message = b"POP_" + b"\xab" * 32
    assert len(proof) == 64 * len(SESSION)
    for position, one in enumerate(SESSION):
        public, signature = keys[32 * position :][:32], proof[64 * position :][:64]
        assert verify(one.scheme, public, signature, message)
    assert keystore.list_keys("gran")[0].public == keys[:32]


@pytest.mark.parametrize("owner", ["0x" + "00" * 65, "0x0", 7, None])
async def test_owner_of_rotated_keys_is_bytes_of_bounded_length(owner: object) -> None:
    keystore = Keystore(None)
    answer = await Bench(keystore).call("author_rotateKeysWithOwner", owner)
    assert isinstance(answer, tuple)
    assert answer[0] == -32602
    assert keystore.list_keys() == ()


def test_node_and_runtime_have_the_same_session_keys() -> None:
    node = [(one.key_type.encode(), one.scheme, one.length) for one in SESSION_KEYS]
    assert node == [tuple(one) for one in SESSION_KEY_TYPES]
    assert node == [(b"gran", Scheme.ED25519, 32)]


async def test_rotated_keys_are_kept_random_and_in_the_order_of_the_session_keys() -> None:
    keystore = Keystore(None)
    bench = Bench(keystore)
    first, second = await bench.call("author_rotateKeys"), await bench.call("author_rotateKeys")
    assert isinstance(first, str)
    assert len(first) == 2 + 2 * 64
    assert first != second
    assert await bench.call("author_hasSessionKeys", first) is True
    assert keystore.get_keypair("gran", bytes.fromhex(first[2:66])).scheme is Scheme.ED25519
    assert keystore.get_keypair("babe", bytes.fromhex(first[66:])).scheme is Scheme.SR25519
    swapped = "0x" + first[66:] + first[2:66]
    assert await bench.call("author_hasSessionKeys", swapped) is False
    assert await bench.call("author_hasSessionKeys", first[:66] + "00" * 32) is False
    wrong = (1040, "Session keys are not encoded correctly")
    for text in ("0x", first[:-2], first + "00"):
        assert await bench.call("author_hasSessionKeys", text) == wrong


async def test_no_more_keys_are_kept_than_can_be_listed() -> None:
    keystore = Keystore(None)
    for number in range(KEYS_MAX - 1):
        keystore.insert("gran", f"0x{number:064x}", Scheme.ED25519)
    bench = Bench(keystore)
    last = public("//Last", Scheme.ED25519)
    assert await bench.call("author_insertKey", "gran", "//Last", last) is None
    assert await bench.call("author_rotateKeys") == (1040, "The key store is unavailable")
    assert len(keystore.list_keys()) == KEYS_MAX


async def test_methods_on_keys_are_unsafe() -> None:
    bench = Bench(Keystore(None), unsafe=False)
    names = ("author_insertKey", "author_hasKey", "author_hasSessionKeys", "author_rotateKeys")
    for name in (*names, "author_rotateKeysWithOwner"):
        answer = await bench.call(name)
        assert isinstance(answer, tuple)
        assert (answer[0], "is unsafe" in answer[1]) == (-32601, True)
