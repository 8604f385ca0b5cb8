"""The consortium's production values, and what its development presets fund."""

from collections.abc import Mapping
from typing import Any

import pytest

from genesis import consortium
from genesis.chain_spec import load_spec
from genesis.consortium import UNIT, Consortium, ConsortiumParameters, compose, make_version, write_genesis
from genesis.oracle import DEV_QUORUM, make_feeds
from genesis.pots import TREASURY, watt_pots
from genesis.presets import DEV_BALANCE, DEV_WATT, dev_accounts, make_preset
from pallets.compliance.compliance_types import Tier
from pallets.compliance.office import Role
from pallets.core.system_types import make_limits
from pallets.core.weights import EXTRINSIC_BASE
from pallets.token.assets_types import AssetMetadata
from pallets.token.reserve_types import RESERVE_POT
from runtime.frame.dispatch import Weight
from runtime.frame.permissions import Activity
from runtime.frame.runtime import Runtime
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_64
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, consortium_chain, genesis_of

MILLI = UNIT // 1000
CONSTANTS: Mapping[str, object] = {
    "System.BlockHashCount": 4096,
    "System.SS58Prefix": 42,
    "Timestamp.MinimumPeriod": 500,
    "Utility.batched_calls_limit": 10_922,
    "Multisig.DepositBase": 188 * MILLI,
    "Multisig.DepositFactor": 32 * MILLI,
    "Multisig.MaxSignatories": 100,
    "Proxy.ProxyDepositBase": 116 * MILLI,
    "Proxy.ProxyDepositFactor": 37 * MILLI,
    "Proxy.MaxProxies": 32,
    "Proxy.MaxPending": 32,
    "Proxy.AnnouncementDepositBase": 116 * MILLI,
    "Proxy.AnnouncementDepositFactor": 68 * MILLI,
    "Upgrades.NoticeMin": 1,
    "Balances.ExistentialDeposit": MILLI,
    "Balances.MaxLocks": 50,
    "Balances.MaxReserves": 50,
    "Balances.MaxFreezes": 50,
    "TransactionPayment.OperationalFeeMultiplier": 5,
    "Assets.RemoveItemsLimit": 1_000,
    "Assets.AssetDeposit": 290 * MILLI,
    "Assets.AssetAccountDeposit": 134 * MILLI,
    "Assets.MetadataDepositBase": 168 * MILLI,
    "Assets.MetadataDepositPerByte": MILLI,
    "Assets.ApprovalDeposit": 132 * MILLI,
    "Assets.StringLimit": 50,
    "Members.MembersMin": 4,
    "Members.MembersMax": 100,
    "Session.SetsKept": 256,
    "Offences.ReportsPerOffender": 4,
    "Offences.ReportsKept": 1_000,
    "WattReserve.Satang": 10**10,
    "WattReserve.Signatures": 2,
    "WattReserve.ReportAgeMax": 86_400_000,
    "WattReserve.MintRequestsMax": 100,
    "WattReserve.RedemptionsMax": 16,
    "WattReserve.ReportsKept": 1_000,
    "Compliance.LicencesPerHolder": 8,
    "Compliance.OfficersMax": 256,
    "Compliance.ProposalPeriodMs": 7 * 86_400_000,
    "Monitoring.FlagsKept": 10_000,
    "Privacy.AnswerPeriodMs": 30 * 86_400_000,
    "Privacy.ErasurePeriodMs": 90 * 86_400_000,
    "Privacy.BreachPeriodMs": 72 * 3_600_000,
    "Privacy.StatementPeriodMs": 86_400_000,
    "Oracle.FeedsMax": 32,
    "Oracle.ProvidersMax": 31,
    "Oracle.Bond": 10_000 * UNIT,
    "Market.SlotMs": 900_000,
    "Market.RegistrationDeposit": 10 * UNIT,
    "Market.BookOrdersMax": 4_096,
    "Market.OpenOrdersMax": 200,
    "Market.BatchMax": 64,
    "Market.RegulatorsNeeded": 3,
    "Meters.SlotMs": 900_000,
    "Meters.CorrectionSlots": 2_880,
    "Meters.OwnerMetersMax": 8,
    "Meters.ReadingsMax": 64,
    "Settlement.SlotMs": 900_000,
    "Settlement.DeadlineSlots": 4,
    "Settlement.EpochSlots": 96,
    "Settlement.EpochOffsetSlots": 28,
    "Settlement.CorrectionSlots": 2_880,
    "Collateral.MarginSlots": 96,
    "Collateral.DepositSlots": 4,
    "Collateral.DepositTicks": 57_982,
    "Certificates.WhPerCertificate": 1_000_000,
    "Certificates.DeviceDeposit": 10 * UNIT,
    "Certificates.VerificationMs": 5 * 365 * 86_400_000,
}
INDICES: Mapping[str, int] = {
    "System": 0, "Timestamp": 1, "Utility": 2, "Multisig": 3, "Proxy": 4, "Offences": 5, "Members": 6,
    "Upgrades": 7, "Sudo": 8, "Session": 9, "Balances": 10, "TransactionPayment": 11, "Assets": 12,
    "AssetHolds": 20, "WattReserve": 21,
    "Compliance": 22, "Monitoring": 23, "Privacy": 24, "Reports": 25,
    "Oracle": 26, "Grid": 27, "Market": 28, "Meters": 29,
    "Settlement": 34, "Collateral": 35, "Certificates": 36,
}  # fmt: skip


def constants(runtime: Runtime) -> dict[str, Any]:
    return {f"{p.name}.{c.name}": c.value for p in runtime.pallets for c in p.constants()}


def test_constants_are_those_decided() -> None:
    found = constants(consortium_chain().runtime)
    measured = {"System.BlockWeights", "System.BlockLength", "System.DbWeight", "System.Version"}
    assert {name: value for name, value in found.items() if name not in measured} == CONSTANTS


def test_pallets_keep_their_indices() -> None:
    assert {pallet.name: pallet.index for pallet in consortium_chain().runtime.pallets} == INDICES


def test_block_is_two_seconds_of_reference_time_and_five_mebibytes() -> None:
    found = constants(consortium_chain().runtime)
    limits = make_limits(Weight(2 * 10**12, 2**64 - 1), 5 * 2**20, 75, EXTRINSIC_BASE)
    assert (found["System.BlockWeights"], found["System.BlockLength"]) == limits


def test_version_announces_the_runtime_apis() -> None:
    version = make_version()
    assert (version.spec_name, version.impl_name) == ("loam-consortium", "loam")
    assert (version.authoring_version, version.spec_version, version.impl_version) == (1, 1, 0)
    assert (version.transaction_version, version.system_version) == (1, 1)
    names = ("Core", "Metadata", "TaggedTransactionQueue", "AccountNonceApi", "TransactionPaymentApi")
    numbered = [
        *zip(names, (5, 2, 3, 1, 4), strict=True),
        ("SessionKeys", 2),
        ("OffencesApi", 1),
        ("OracleApi", 1),
        *((f"Energy{name}Api", 1) for name in ("Market", "Grid", "Meters", "Settlement", "Account")),
        ("CertificatesApi", 1),
        ("ComplianceApi", 1),
    ]
    assert version.apis == tuple((blake2_64(name.encode()), number) for name, number in numbered)
    assert make_version(9).spec_version == 9


@pytest.mark.parametrize(("block_time", "prefix"), [(1_000, 42), (6_000, 7), (999, 42)])
def test_parameters_reach_wallets_as_constants(block_time: int, prefix: int) -> None:
    parameters = ConsortiumParameters(block_time_ms=block_time, ss58_prefix=prefix)
    composed = compose(State(MemoryBackend()), parameters, make_version())
    found = constants(composed.api.runtime)
    assert found["Timestamp.MinimumPeriod"] == block_time // 2
    assert found["System.SS58Prefix"] == prefix
    assert composed.sudo is None


def test_superuser_exists_on_development_chains_alone() -> None:
    composed = compose(State(MemoryBackend()), ConsortiumParameters(), make_version())
    with pytest.raises(AssertionError, match="superuser"):
        write_genesis(composed, genesis_of((ALICE, UNIT)))


def test_genesis_leaves_no_events() -> None:
    chain = compose(State(MemoryBackend()), ConsortiumParameters(has_sudo=True), make_version())
    write_genesis(chain, genesis_of((ALICE, UNIT)))
    assert not chain.system.events.exists()
    assert chain.system.events.get() == ()


# --- presets


def state_of(name: str) -> Consortium:
    spec = load_spec(name)
    state = State(MemoryBackend(dict(spec.genesis_state())))
    return compose(state, ConsortiumParameters(has_sudo=True), make_version())


@pytest.mark.parametrize("name", ["dev", "local"])
def test_presets_fund_every_named_account_and_its_stash_in_both_schemes(name: str) -> None:
    chain = state_of(name)
    names = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
    expected = {
        AccountId(Keypair.from_uri(f"//{who}{path}", scheme).account_id)
        for who in names
        for path in ("", "//stash")
        for scheme in (Scheme.SR25519, Scheme.ED25519)
    }
    assert {AccountId(account.account_id) for account in dev_accounts()} == expected
    found = {who: info.data.free + info.data.reserved for who, info in chain.system.all_accounts()}
    owned = {who: amount for who, amount in found.items() if amount}
    assert owned == dict.fromkeys(expected, 1_000_000 * UNIT) | {TREASURY: MILLI}
    held = {who: holding for (_, who), holding in chain.assets.account.items()}
    pots = dict.fromkeys(watt_pots((1,)).values(), UNIT // 100)
    assert {who: holding.balance for who, holding in held.items() if holding} == (
        dict.fromkeys(expected, 1_000_000 * UNIT) | pots
    )
    assert DEV_BALANCE == DEV_WATT == 1_000_000 * UNIT


@pytest.mark.parametrize("name", ["dev", "local"])
def test_presets_attest_every_named_account_and_have_two_officers(name: str) -> None:
    pallet = state_of(name).supervision.compliance
    for account in dev_accounts():
        who = AccountId(account.account_id)
        assert pallet.tier_of(who) is Tier.Enhanced
        pallet.ensure(who, Activity.SendWatt)
        pallet.ensure(who, Activity.Trade)
    assert dict(pallet.officer.items()) == dict.fromkeys((ALICE, BOB), tuple(Role))
    pallet.try_state()


@pytest.mark.parametrize("name", ["dev", "local"])
def test_presets_have_four_providers_with_bonds_for_the_feeds_of_the_market(name: str) -> None:
    chain = state_of(name)
    assert chain.oracle.members.get() == tuple(sorted((ALICE, BOB, CHARLIE, DAVE)))
    for who, uri in ((ALICE, "//Alice//oracle"), (DAVE, "//Dave//oracle")):
        provider = chain.oracle.provider.get(who)
        assert provider is not None
        assert provider.key == Keypair.from_uri(uri, Scheme.ED25519).public
        assert chain.system.get_account(who).data.reserved == provider.bond == 10_000 * UNIT
    feeds = [chain.oracle.views.view_feed(number, 0) for number in range(chain.oracle.feed_count.get())]
    assert [(feed.key, feed.quorum) for feed in feeds] == [
        (made.key.decode(), 3) for made in make_feeds(DEV_QUORUM)
    ]
    chain.oracle.try_state()


@pytest.mark.parametrize(("name", "count"), [("dev", 1), ("local", 4)])
def test_presets_have_their_validators_superuser_and_watt(name: str, count: int) -> None:
    chain = state_of(name)
    who = ("Alice", "Bob", "Charlie", "Dave")[:count]
    assert chain.session.validators.get() == tuple(
        AccountId(Keypair.from_uri(f"//{one}", Scheme.SR25519).account_id) for one in who
    )
    votes = [authority.key for authority in chain.session.authority_set().authorities]
    assert votes == [Keypair.from_uri(f"//{one}", Scheme.ED25519).public for one in who]
    assert chain.sudo is not None
    assert chain.sudo.key.get() == ALICE
    watt = chain.assets.asset.get(1)
    assert watt is not None
    assert (watt.owner, watt.is_sufficient, watt.min_balance) == (RESERVE_POT, True, UNIT // 100)
    assert chain.assets.metadata.get(1) == AssetMetadata(0, b"Watt", b"WATT", 12)


def test_presets_say_what_wallets_show() -> None:
    expected = {
        "dev": ("Development", "dev", "Development"),
        "local": ("Local Testnet", "local_testnet", "Local"),
    }
    for name, identity in expected.items():
        preset = make_preset(name)
        assert preset is not None
        assert (preset.name, preset.id, preset.chain_type) == identity
        assert preset.properties == {"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "GRID"}
    assert make_preset("other") is None
    assert consortium.WATT_MINIMUM == UNIT // 100
