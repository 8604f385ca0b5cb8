"""Chain specs: a wrong document is refused with its place, a raw spec gives the same genesis."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from genesis.chain_spec import load_spec, parse_spec
from genesis.config import SpecError
from genesis.consortium import FOREIGN_SESSION_KEYS
from runtime.frame.state import MemoryBackend, State

Json = Any
DEV = load_spec("dev").to_json(raw=False)
FERDIE = "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL"


def config(document: Json) -> Json:
    return document["genesis"]["runtimeGenesis"]["config"]


def refusal(document: Json) -> str:
    """Return why a document is refused when it is read or its genesis is made."""
    with pytest.raises(SpecError) as refused:
        parse_spec(json.dumps(document).encode()).genesis_state()
    return str(refused.value)


def changed(change: Callable[[Json], object]) -> Json:
    document = deepcopy(DEV)
    change(document)
    return document


def put(*path: object) -> Callable[[Json], object]:
    """Return a change that sets the last of `path` at the place named by the others."""

    def change(document: Json) -> None:
        *way, last, value = path
        for step in way:
            document = document[step]
        document[last] = value

    return change


CONFIG = ("genesis", "runtimeGenesis", "config")
BALANCES = (*CONFIG, "balances", "balances")
KEYS = (*CONFIG, "session", "keys")
ASSETS = (*CONFIG, "assets", "assets")
METADATA = (*CONFIG, "assets", "metadata")
OFFICERS, ATTESTED = (*CONFIG, "compliance", "officers"), (*CONFIG, "compliance", "attested")
OFFICER = ["0x" + "11" * 32, ["Cases"]]
ORACLE = (*CONFIG, "oracle")
HOLDERS = (*CONFIG, "assets", "accounts")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name", 1), "spec.name"),
        (("name", "\ud800"), "spec.name"),
        (("id", "../x"), "spec.id"),
        (("id", ""), "spec.id"),
        (("id", "²"), "spec.id"),
        (("id", ".x"), "spec.id"),
        (("id", "x" * 65), "spec.id"),
        (("chainType", "Dev"), "spec.chainType"),
        (("chainType", {"Custom": "a", "b": 1}), "spec.chainType"),
        (("chainType", {"Custom": 1}), "spec.chainType.Custom"),
        (("chainType", {"Other": "a"}), "spec.chainType"),
        (("chainType", ["Live"]), "spec.chainType"),
        (("bootNodes", {}), None),
        (("bootNodes", [1]), "spec.bootNodes[0]"),
        (("forkId", 1), "spec.forkId"),
        (("protocolId", []), "spec.protocolId"),
        (("surprise", 1), "spec.surprise"),
        (("codeSubstitutes", {"1": "0x"}), "spec.codeSubstitutes"),
        (("properties", []), "spec.properties"),
        (("properties", "ss58Format", -1), "spec.properties.ss58Format"),
        (("properties", "ss58Format", 1 << 14), "spec.properties.ss58Format"),
        (("properties", "ss58Format", True), "spec.properties.ss58Format"),
        (("properties", "ss58Format", "42"), "spec.properties.ss58Format"),
        (("genesis", {}), "genesis.runtimeGenesis"),
        (("genesis", "surprise", {}), "genesis.surprise"),
        (("genesis", "runtimeGenesis", "code", "0x00"), ":code"),
        (("genesis", "runtimeGenesis", "patch", {}), "patch or config"),
        ((*CONFIG, "nothing", {}), "genesis.nothing"),
        ((*CONFIG, "balances", "surprise", 1), "genesis.balances.surprise"),
        ((*BALANCES, 1), "genesis.balances.balances"),
        ((*BALANCES, 0, 1), "genesis.balances.balances[0]"),
        ((*BALANCES, 1, 0, "5x"), "genesis.balances.balances[1][0]"),
        ((*BALANCES, 1, 0, "0x12"), "genesis.balances.balances[1][0]"),
        ((*BALANCES, 1, 1, -1), "genesis.balances.balances[1][1]"),
        ((*BALANCES, 1, 1, 1 << 128), "genesis.balances.balances[1][1]"),
        ((*BALANCES, 1, 1, "9" * 60), "genesis.balances.balances[1][1]"),
        ((*BALANCES, 1, 1, True), "genesis.balances.balances[1][1]"),
        ((*BALANCES, 1, 1, "²"), "genesis.balances.balances[1][1]"),
        ((*BALANCES, 1, 1, 1), "below the existential deposit"),
        ((*BALANCES, 1, 1, (1 << 128) - 1), "do not add up"),
        ((*BALANCES, -1, 0, "0x" + "ab" * 32), "the treasury, account 0x6d6f646c7472656173757279"),
        ((*BALANCES, 3, 1, 10_000 * 10**12 + 10**9 - 1), "balances.balances: the provider 3, account"),
        ((*ORACLE, "surprise", 1), "genesis.oracle.surprise"),
        ((*ORACLE, "feeds", 0, "quorum", 0), "genesis.oracle.feeds[0].quorum"),
        ((*ORACLE, "providers", 0, 1, "0x12"), "genesis.oracle.providers[0][1]"),
        ((*KEYS, []), "at least one validator"),
        ((*KEYS, 0, 0, "x"), "genesis.session.keys[0][0]"),
        ((*KEYS, 0, 1, None), "genesis.session.keys[0][1]"),
        ((*KEYS, 0, 2, "grandpa", "0x"), "genesis.session.keys[0][2].grandpa"),
        ((*KEYS, 0, 2, "grampa", "0x"), "genesis.session.keys[0][2].grampa"),
        ((*CONFIG, "sudo", "key", 1), "genesis.sudo.key"),
        (("chainType", "Live"), "superuser"),
        ((*CONFIG, "assets", "surprise", 1), "genesis.assets.surprise"),
        ((*ASSETS, {}), "genesis.assets.assets"),
        ((*ASSETS, 0, [1]), "genesis.assets.assets[0]: expected [id, owner, isSufficient, minBalance]"),
        ((*ASSETS, 0, {}), "genesis.assets.assets[0]: expected [id, owner, isSufficient, minBalance]"),
        ((*ASSETS, 0, 0, -1), "genesis.assets.assets[0][0]"),
        ((*ASSETS, 0, 0, 1 << 32), "genesis.assets.assets[0][0]"),
        ((*ASSETS, 0, 0, True), "genesis.assets.assets[0][0]"),
        ((*ASSETS, 0, 0, "1"), "genesis.assets.assets[0][0]"),
        ((*ASSETS, 0, 1, 5), "genesis.assets.assets[0][1]"),
        ((*ASSETS, 0, 2, 1), "genesis.assets.assets[0][2]"),
        ((*ASSETS, 0, 3, -1), "genesis.assets.assets[0][3]"),
        ((*ASSETS, 0, 3, 0), "no minimum balance"),
        ((*ASSETS, []), "there is no asset 1"),
        ((*METADATA, 0, [1, "Watt"]), "genesis.assets.metadata[0]: expected [id, name, symbol, decimals]"),
        ((*METADATA, 0, 1, "x" * 51), "genesis.assets.metadata[0][1]: more than 50 bytes"),
        ((*METADATA, 0, 2, "฿" * 17), "genesis.assets.metadata[0][2]: more than 50 bytes"),
        ((*METADATA, 0, 1, "\ud800"), "genesis.assets.metadata[0][1]"),
        ((*METADATA, 0, 3, 256), "genesis.assets.metadata[0][3]"),
        ((*METADATA, 0, 3, -1), "genesis.assets.metadata[0][3]"),
        ((*METADATA, 0, 0, 2), "there is no asset 2"),
        ((*HOLDERS, 0, [1]), "genesis.assets.accounts[0]: expected [id, holder, amount]"),
        ((*HOLDERS, 0, 0, 2), "there is no asset 2"),
        ((*HOLDERS, 0, 1, "x"), "genesis.assets.accounts[0][1]"),
        ((*HOLDERS, 0, 2, 1), "cannot hold 1"),
        ((*HOLDERS, []), "genesis.assets.accounts: the treasury, account 0x6d6f646c7472656173757279"),
        ((*HOLDERS, -1, 1, FERDIE), "the wheeling pot of zone 1, account 0x6d6f646c776865656c5f0001"),
        ((*CONFIG, "compliance", "surprise", 1), "genesis.compliance.surprise"),
        ((*OFFICERS, {}), "genesis.compliance.officers"),
        ((*OFFICERS, 0, [1]), "genesis.compliance.officers[0]: expected [address, roles]"),
        ((*OFFICERS, 0, 0, "x"), "genesis.compliance.officers[0][0]"),
        ((*OFFICERS, 0, 1, []), "genesis.compliance.officers[0][1]: an officer has a role"),
        ((*OFFICERS, 0, 1, ["Chief"]), "genesis.compliance.officers[0][1][0]: expected one of Identity"),
        ((*OFFICERS, 0, 1, [1]), "genesis.compliance.officers[0][1][0]"),
        ((*OFFICERS, [OFFICER] * 257), "genesis.compliance.officers: more than 256"),
        ((*ATTESTED, 0, [1]), "genesis.compliance.attested[0]: expected [address, tier, licences]"),
        ((*ATTESTED, 0, 0, 1), "genesis.compliance.attested[0][0]"),
        ((*ATTESTED, 0, 1, "Unknown"), "genesis.compliance.attested[0][1]: nothing is attested"),
        ((*ATTESTED, 0, 1, "Best"), "genesis.compliance.attested[0][1]: expected one of"),
        ((*ATTESTED, 0, 2, ["Fishing"]), "genesis.compliance.attested[0][2][0]: expected one of Trading"),
    ],
)
def test_wrong_value_is_refused_with_its_place(path: tuple[object, ...], place: str | None) -> None:
    if place is None:  # absent in effect
        parse_spec(json.dumps(changed(put(*path))).encode()).genesis_state()
        return
    assert place in refusal(changed(put(*path)))


@pytest.mark.parametrize("name", ["name", "id", "genesis"])
def test_missing_field_is_named(name: str) -> None:
    assert f"spec.{name}" in refusal({key: value for key, value in DEV.items() if key != name})


@pytest.mark.parametrize(
    "path",
    [
        ("id", "x" * 64),
        ("id", "a-b_c.d9"),
        ("properties", None),
        ("properties", "ss58Format", 0),
        ("properties", "ss58Format", (1 << 14) - 1),
        (*BALANCES, 1, 1, str(10**18)),
        (*BALANCES, 5, 0, "0x" + "ab" * 32),
        (*BALANCES, -1, 1, 10**9),
        (*BALANCES, 3, 1, 10_000 * 10**12 + 10**9),
        (*ORACLE, {}),
        (*ASSETS, 0, 0, 1),
        (*METADATA, 0, 1, "x" * 50),
        (*METADATA, 0, 3, 255),
        (*METADATA, []),
    ],
)
def test_values_at_the_limits_are_taken(path: tuple[object, ...]) -> None:
    parse_spec(json.dumps(changed(put(*path))).encode()).genesis_state()


@pytest.mark.parametrize("chain_type", ["Live", {"Custom": "mine"}])
def test_chain_of_another_type_is_no_development_chain(chain_type: Json) -> None:
    def change(document: Json) -> None:
        document["chainType"] = chain_type
        config(document)["sudo"]["key"] = None

    spec = parse_spec(json.dumps(changed(change)).encode())
    assert not spec.is_dev
    assert spec.dev_accounts() == ()
    assert spec.to_json(raw=False)["chainType"] == chain_type
    for runtime in spec.runtimes().values():
        names = [p.name for p in runtime(State(MemoryBackend(dict(spec.genesis_state())))).runtime.pallets]
        assert "Sudo" not in names


def test_largest_asset_id_and_amount_are_taken() -> None:
    def change(document: Json) -> None:
        section = config(document)["assets"]
        section["assets"].append([(1 << 32) - 1, FERDIE, True, 1])
        section["accounts"].append([(1 << 32) - 1, FERDIE, str((1 << 128) - 1)])

    parse_spec(json.dumps(changed(change)).encode()).genesis_state()


def test_asset_listed_twice_is_refused() -> None:
    def twice(document: Json) -> None:
        assets = config(document)["assets"]["assets"]
        assets.append([1, FERDIE, True, 1])

    assert "asset 1 is listed twice" in refusal(changed(twice))


def test_account_endowed_twice_is_refused() -> None:
    def twice(document: Json) -> None:
        balances = config(document)["balances"]["balances"]
        balances.append(balances[0])

    assert "endowed twice" in refusal(changed(twice))


def test_session_keys_of_other_engines_are_passed_over() -> None:
    foreign = dict.fromkeys(FOREIGN_SESSION_KEYS, "no key")
    document = changed(lambda document: config(document)["session"]["keys"][0][2].update(foreign))
    spec = parse_spec(json.dumps(document).encode())
    assert spec.genesis_state() == load_spec("dev").genesis_state()


def test_vote_key_of_two_validators_is_refused() -> None:
    def twice(document: Json) -> None:
        keys = config(document)["session"]["keys"]
        keys.append([FERDIE, FERDIE, keys[0][2]])

    assert "vote key" in refusal(changed(twice))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"\xff",
        b"null",
        b"9" * 5_000,
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1e400}',
        b'{"name": 0.5}',
        b'{"id": "a", "id": "b"}',
    ],
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(SpecError):
        parse_spec(text)


@pytest.mark.parametrize("name", ["dev", "local"])
def test_raw_and_plain_forms_give_the_same_genesis(name: str) -> None:
    spec = load_spec(name)
    state = spec.genesis_state()
    header = spec.genesis_header(state)
    for raw in (False, True):
        again = parse_spec(json.dumps(spec.to_json(raw=raw)).encode())
        assert dict(again.genesis_state()) == dict(state)
        assert again.genesis_header(again.genesis_state()) == header
        assert again.to_json(raw=True) == spec.to_json(raw=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("top", {}), ":code"),
        (("top", []), "genesis.raw.top"),
        (("top", "0xzz", "0x"), "genesis.raw.top key"),
        (("top", "0x3a636f6465", "0x00"), ":code"),
        (("top", "0x01", 5), "genesis.raw.top"),
        (("childrenDefault", {"0x": {}}), "childrenDefault"),
        (("surprise", 1), "genesis.raw.surprise"),
    ],
)
def test_wrong_raw_spec_is_refused_with_its_place(path: tuple[object, ...], place: str) -> None:
    document = load_spec("dev").to_json(raw=True)
    put("genesis", "raw", *path)(document)
    assert place in refusal(document)


def test_genesis_state_is_consistent_for_every_pallet() -> None:
    spec = load_spec("dev")
    for runtime in spec.runtimes().values():
        runtime(State(MemoryBackend(dict(spec.genesis_state())))).try_state()
