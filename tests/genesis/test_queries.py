"""What screens ask of the consortium, over the composed chain and over a node's RPC."""

import re
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from genesis.consortium import Consortium
from genesis.energy import REGISTRATION_DEPOSIT
from genesis.presets import DEV_ZONE
from genesis.queries import QUERY_APIS
from node.rpc.shapes import to_camel
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_value
from pallets.settlement.collateral_types import Guarantee
from runtime.frame.api import Api, RefusedQuestion
from runtime.primitives import shape as scale
from runtime.primitives.scale import compile_codec
from runtime.primitives.shape import Shape, Tuple, shape_of
from runtime.primitives.types import AccountId
from tests.support import market
from tests.support.chain import ALICE, Chain, consortium_chain, keypair
from tests.support.market import (
    COLLATERAL,
    Device,
    current_slot,
    home,
    join,
    market_chain,
    order,
    pass_slots,
    read,
)
from tests.support.node_chain import sign
from tests.support.node_rpc import DevNode
from tests.support.questions import Questions, address

ROOT = Path(__file__).parents[2]
ALICE_TEXT = address(ALICE)
HASH = "0x" + "11" * 32
SOME: dict[str, tuple[Any, ...]] = {
    "energy_account": (ALICE_TEXT,),
    "energy_alerts": (),
    "energy_bill": (ALICE_TEXT, 650, 0, 0),
    "energy_contract": (0,),
    "energy_contracts": (ALICE_TEXT,),
    "energy_defaultFund": (),
    "energy_epoch": (None,),
    "energy_epochs": (0, 10),
    "energy_flows": (1, 0, 10),
    "energy_markets": (),
    "energy_marketStats": (DEV_ZONE, 19_000, 10),
    "energy_meter": (HASH,),
    "energy_metered": (ALICE_TEXT, DEV_ZONE, 0, 10),
    "energy_meters": (ALICE_TEXT,),
    "energy_order": (0,),
    "energy_orderBook": (DEV_ZONE, 1, 10),
    "energy_orders": (ALICE_TEXT, None, 10),
    "energy_position": (ALICE_TEXT, DEV_ZONE, 1),
    "energy_positions": (ALICE_TEXT, DEV_ZONE, 1, 10),
    "energy_readings": (HASH, 1, 10),
    "energy_settlements": (),
    "energy_slot": (DEV_ZONE, 1),
    "energy_slots": (DEV_ZONE, 1, 10),
    "energy_statement": (ALICE_TEXT, 0, 10),
    "energy_tariff": (DEV_ZONE,),
    "energy_trades": (DEV_ZONE, 1, 0, 10),
    "energy_zones": (),
    "certificates_batch": (0,),
    "certificates_device": (HASH,),
    "certificates_deviceOfMeter": (HASH,),
    "certificates_issuers": (),
    "certificates_ofAccount": (ALICE_TEXT, None, 10),
    "certificates_ofDevice": (HASH, 0, 10),
    "certificates_redemption": (0,),
    "certificates_redemptions": (None, 0, 10),
    "compliance_audit": (),
    "compliance_auditDay": (1,),
    "compliance_breaches": (0, 10),
    "compliance_cases": (0, 10),
    "compliance_consents": (ALICE_TEXT,),
    "compliance_dueDates": ("Privacy", None, 10),
    "compliance_licence": (0,),
    "compliance_licences": (ALICE_TEXT,),
    "compliance_openRequests": (ALICE_TEXT,),
    "compliance_report": ("ErcMonth", 24_290),
    "compliance_reports": ("ErcMonth", 24_290, 10),
    "compliance_request": (0,),
    "compliance_requests": (0, 10),
    "compliance_retention": (),
    "compliance_rules": (),
    "compliance_status": (ALICE_TEXT,),
    "oracle_feed": ("price/energy",),
    "oracle_feeds": (None, 10),
    "oracle_freshness": ("price/energy",),
    "oracle_history": ("price/energy", None, 10),
    "oracle_providers": (),
    "oracle_quality": (ALICE_TEXT,),
}
"""A question of each kind that a chain can answer from its genesis on."""
REFUSED_AT_FIRST: dict[str, tuple[Any, ...]] = {
    "energy_settlement": (DEV_ZONE, 1),
    "energy_slotReadings": (DEV_ZONE, 1, 0, 10),
    "energy_tradeProof": (DEV_ZONE, 1, 0),
    "compliance_proof": (1, "0x", 0, []),
    "compliance_reportProof": ("ErcMonth", 24_290, "0x", 0, []),
}


@pytest.fixture
def chain() -> Chain[Consortium]:
    return consortium_chain()


def apis_of(chain: Chain[Consortium]) -> tuple[Api, ...]:
    return tuple(api for api in chain.api.apis.apis if api.rpc)


def test_every_api_that_is_composed_is_announced(chain: Chain[Consortium]) -> None:
    composed = [(api.name, api.version) for api in apis_of(chain) if api.rpc != "oracle"]
    assert composed == list(QUERY_APIS)


def test_every_function_has_a_text(chain: Chain[Consortium]) -> None:
    for api in apis_of(chain):
        assert api.docs
        assert all(one.docs.endswith(".") for one in api.methods), api.name


class Extremes(NamedTuple):
    """Values for every shape of a parameter: the least, the greatest, and some that a chain knows."""

    numbers: tuple[int, ...]
    accounts: tuple[AccountId, ...]

    def values_of(self, shape: Shape) -> list[Any]:
        match shape:
            case scale.Int(width=width):
                most = (1 << 8 * width) - 1
                return [0, most - 1, most, *(number for number in self.numbers if number < most)]
            case scale.Text():
                return ["", "price/energy", "\0" * 300]
            case scale.Blob():
                return [b"", bytes(100)]
            case scale.FixedBlob(length=length):
                return [bytes(length), b"\xff" * length]
            case scale.PlainEnum(cls=cls):
                return list(cls)
            case scale.Named(inner=inner):
                return list(self.accounts) if shape == shape_of(AccountId) else self.values_of(inner)
            case scale.Option(item=item):
                return [None, *self.values_of(item)]
            case scale.Sequence(item=item):
                return [(), tuple(self.values_of(item))]
            case scale.Record(cls=cls, fields=fields):
                return [cls(*values) for values in product(*(self.values_of(each) for _, each in fields))]
            case _:
                raise AssertionError(f"no values of {shape}")


def traded_chain() -> tuple[Chain[Consortium], int]:
    """Return a chain on which home 0 sold to home 1 in a slot that is read and settled, and that slot."""
    chain = market_chain()
    seller, buyer = home(0), home(1)
    join(chain, seller, buyer)
    devices = [Device(number, home(number)).register(chain, current_slot(chain)) for number in range(2)]
    slot = current_slot(chain) + 1
    order(chain, seller, slot, Side.SELL, 800, 30_000)
    order(chain, buyer, slot, Side.BUY, 800, 40_000)
    pass_slots(chain)
    read(chain, devices, [(0, 0), (0, 0)])
    pass_slots(chain)
    read(chain, devices, [(0, 900), (1_000, 0)])
    while not chain.pallets.energy.settlement.is_settled(market.ZONE, slot):
        chain.next_block()
    return chain, slot


def test_home_sees_its_slot_from_the_trade_to_the_payment() -> None:
    chain, slot = traded_chain()
    questions, buyer = Questions(*apis_of(chain)), address(home(1))
    position = questions.ask("energy_position", buyer, market.ZONE, slot)
    retail = questions.ask("energy_settlement", market.ZONE, slot)["terms"]["retailTicks"]
    paid = int(position["energy"]) + int(position["charges"])
    assert (position["phase"], position["boughtWh"], position["retailTicks"]) == ("Settled", "800", retail)
    assert int(position["saving"]) == compute_value(800, retail) - paid
    (metered,) = questions.ask("energy_metered", buyer, market.ZONE, slot - 5, 10)
    assert (metered["importWh"], metered["deviationWh"], metered["isSettled"]) == ("1000", "-200", True)
    (row,) = questions.ask("energy_statement", buyer, questions.ask("energy_epoch", None)["epoch"] - 1, 2)
    account = questions.ask("energy_account", buyer)
    assert (
        row["amount"]
        == account["accrued"]
        == str(-compute_value(100, (22_000 + retail) // 2) - compute_value(100, retail))
    )
    assert account["guarantees"]["collateralHeld"] == str(COLLATERAL)
    trades = questions.ask("energy_trades", market.ZONE, slot, 0, 10)
    proof = questions.ask("energy_tradeProof", market.ZONE, slot, 0)
    assert (proof["root"], proof["count"]) == (trades["root"], 2)
    assert questions.ask("energy_slotReadings", market.ZONE, slot, 0, 10)["meters"] == 2


def test_every_function_answers_or_refuses_whatever_it_is_asked() -> None:
    chain, slot = traded_chain()
    table, refused, answered = chain.api.apis, 0, 0
    extreme = Extremes((slot, market.ZONE, 10), (home(0), home(1)))
    for api in apis_of(chain):
        for one in api.methods:
            shapes = tuple(shape_of(annotation) for _, annotation in one.parameters)
            encode = compile_codec(Tuple(shapes), {}).encode
            for values in product(*map(extreme.values_of, shapes)):
                data = encode(values) if shapes else b""
                with suppress(RefusedQuestion):
                    refused += 1
                    table.call(f"{api.name}_{one.name}", data)
                    answered += 1
                    refused -= 1
    assert answered > 1_000
    assert refused > 100


# --- over a node


async def test_every_method_answers_from_the_genesis_on_or_says_why_not() -> None:
    async with DevNode() as node:
        await node.block()
        for name, params in SOME.items():
            await node.call(name, *params)
        for name, params in REFUSED_AT_FIRST.items():
            code, message, _ = await node.fail(name, *params)
            assert code == -32602
            assert name not in message, "refused by the runtime, not for wrong types"
        listed = (await node.call("rpc_methods"))["methods"]
        spaces = ("energy_", "certificates_", "compliance_", "oracle_")
        shown = {one for one in listed if one.startswith(spaces) and "ubscribe" not in one}
        assert shown == set(SOME) | set(REFUSED_AT_FIRST)


async def test_methods_say_what_is_wrong_with_a_parameter() -> None:
    async with DevNode() as node:
        for name, params in SOME.items():
            if params:
                _, message, _ = await node.fail(name, *({} for _ in params))
                assert message.startswith("Invalid params: parameter '"), message
            code, _, _ = await node.fail(name, *params, None, 7)
            assert code == -32602


async def test_state_of_an_older_block_is_asked_by_its_hash() -> None:
    async with DevNode() as node:
        before = await node.block()
        await submit(node, 0, "Market.register_participant")
        await node.block()
        now = await node.call("energy_account", ALICE_TEXT)
        assert now["trader"]["registrationDeposit"] == str(REGISTRATION_DEPOSIT)
        then = await node.call("energy_account", ALICE_TEXT, before)
        assert (then["trader"]["limits"], then["trader"]["registrationDeposit"]) == (None, "0")
        code, message, _ = await node.fail("energy_account", ALICE_TEXT, HASH)
        assert (code, "UnknownBlock" in message) == (4003, True)


async def submit(node: DevNode, nonce: int, name: str, *args: object) -> None:
    extrinsic = sign(node.chain.api, keypair("//Alice"), name, args, nonce=nonce)
    await node.call("author_submitExtrinsic", "0x" + extrinsic.hex())


async def test_screen_of_a_slot_hears_of_an_order_and_nothing_else() -> None:
    async with DevNode() as node:
        await node.block()
        slot = (await node.call("energy_markets"))[0]["lastOpen"]
        watched = await node.call("energy_subscribeSlot", DEV_ZONE, slot)
        book = await node.call("energy_subscribeOrderBook", DEV_ZONE, slot, 5)
        own = await node.call("energy_subscribeOrders", ALICE_TEXT, None, 10)
        await submit(node, 0, "Market.register_participant")
        await node.block()
        await submit(node, 1, "Market.submit_order", DEV_ZONE, slot, Side.BUY, 500, 45_000, 0)
        await node.block()
        first, second = await node.heard(watched, 2)
        assert (first["orders"], second["orders"]) == (0, 1)
        assert [len(each["bids"]) for each in await node.heard(book, 2)] == [0, 1]
        assert [len(each) for each in await node.heard(own, 2)] == [0, 1]
        assert second == await node.call("energy_slot", DEV_ZONE, slot)
        for _ in range(3):
            await node.block()
        assert len(await node.wait_results(watched, 3)) == 2
        assert await node.call("energy_unsubscribeSlot", watched)


async def test_account_is_shown_with_its_guarantees() -> None:
    async with DevNode() as node:
        await submit(node, 0, "Collateral.deposit_collateral", Guarantee.Collateral, 7)
        await node.block()
        found = await node.call("energy_account", ALICE_TEXT)
        assert (found["guarantees"]["collateralHeld"], found["accrued"]) == ("7", "0")
        assert (found["trader"]["escrow"], found["unclaimed"]) == ("0", "0")


@pytest.mark.parametrize(
    "name", ["energy_subscribeSlot", "oracle_subscribeFeed", "compliance_subscribeStatus"]
)
async def test_subscription_with_wrong_parameters_is_refused(name: str) -> None:
    async with DevNode() as node:
        code, message, _ = await node.fail(name, {})
        assert code == -32602
        assert name in message
        assert len(node.table) == 0


def test_page_lists_every_method_and_what_can_be_watched(chain: Chain[Consortium]) -> None:
    page = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"`(\w+_\w+)\([^)]*\)`(, live)?", page.split("## The market")[1]))
    declared = {
        f"{api.rpc}_{to_camel(one.name)}": ", live" if one.is_live else ""
        for api in apis_of(chain)
        for one in api.methods
    }
    assert listed == declared
