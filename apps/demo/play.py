"""The run: a week of the homes on a chain that is there already, from empty accounts to the last payment.

Responsible for the order of things and for time. One hour of the week is one slot of the chain; the first
slot is chosen such that a day of the netting ends soon after the last hour, when that is settled. It must not
know who started the nodes, nor how anything is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol

from apps.chain.client import Chain
from apps.chain.errors import ClientError
from apps.clock import Clock, WallClock
from apps.demo import cast
from apps.demo.errors import DemoError, Missing, TooSlow
from apps.demo.follower import Follower
from apps.demo.ledger import Ledger, make_ledger
from apps.demo.metering import Metering
from apps.demo.providers import FEEDS, Providers
from apps.demo.registration import WATT_ID, Registration
from apps.demo.stage import Stage
from apps.demo.story import Certified, Passage, Settled, Story
from apps.demo.trading import Trading
from apps.demo.week import Week
from runtime.primitives.crypto import Keypair
from runtime.primitives.keys import DEV_ACCOUNTS
from runtime.primitives.types import AccountId, Hash

LEAD_MS: Final = 40_000
"""So long before the first slot it is chosen, at most: the homes place their first orders one by one."""
REGISTRATION_CALLS: Final = 8
"""Calls one after the other before the first slot is chosen."""
SPARE_MS: Final = 5_000
INCLUSION_MS: Final = 3_000
"""From a block that is read until one that holds a call made upon it, at most."""
NETTING_LAG_SLOTS: Final = 2
"""A day of the netting ends so much after the last hour, which is settled in the slot after it."""
SETTLING_MS: Final = 120_000
"""A machine on which an hour is not settled so long after its end does not keep up."""
TREASURY_POT: Final = b"treasury"
WHEELING_POT: Final = b"wheel_"


class Progress(Protocol):
    """Where a run is shown."""

    def tell(self, text: str) -> None:
        """Tell what is done now."""
        ...

    def advance(self, hours: int) -> None:
        """Tell how many hours are settled."""
        ...


async def play(
    urls: Sequence[str], week: Week, hours: int, folder: Path, progress: Progress, clock: WallClock
) -> Story:
    """Play the first hours of the week on the chain behind these nodes, and return what came of it.

    The oracle's gateways keep their files in a folder. DemoError when a call fails, a node is not reached, or
    the machine is too slow.
    """
    try:
        async with AsyncExitStack() as stack:
            chains = [await stack.enter_async_context(Chain.connect(url, clock=clock)) for url in urls]
            providers = Providers(urls, week, cast.PROVIDERS, folder, clock)
            return await _Run(Stage(chains), week, hours, providers, progress, clock).run()
    except (ClientError, ExceptionGroup) as error:
        found = _find_first(error)
        if isinstance(found, ClientError):
            raise DemoError(f"a node did not answer as it should: {found}") from error
        raise found from error


def _find_first(error: Exception) -> Exception:
    """Return the first of the exceptions in nested groups: what came after it came from it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    """One run."""

    def __init__(
        self,
        stage: Stage,
        week: Week,
        hours: int,
        providers: Providers,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._stage = stage
        self._chain = stage.chain
        self._week = week
        self._hours = hours
        self._providers = providers
        self._progress = progress
        self._clock = clock
        self._homes = tuple(cast.make_home(name) for name in week.homes)
        self._head_end = cast.make_key(f"{cast.PATH}//head-end")
        self._slot_ms: int = self._chain.constant("Market", "SlotMs")
        self._started = clock.monotonic()

    async def run(self) -> Story:
        """Play, and return the story."""
        zone, operator_id = await self._find_zone()
        feeds = await self._find_feeds()
        first_block = (await self._chain.finalized()).number + 1
        ledger = make_ledger(self._week, zone, self._homes, {number: key for key, number in feeds.items()})
        follower = Follower(self._chain, first_block, self._slot_ms, ledger.on_block)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follower.run())
            await follower.wait_for(lambda: follower.number >= first_block)
            registration = Registration(self._stage, self._week, self._homes, zone, self._slot_ms)
            await self._register(registration, follower, operator_id)
            before = await self._read_balances(follower, zone, operator_id)
            first_slot = await self._trade(registration, ledger, follower, zone, _key_of(operator_id))
            certified = await self._certify(follower, first_slot)
            after = await self._read_balances(follower, zone, operator_id)
            last_block = follower.number
            following.cancel()
        settled = [one - other for one, other in zip(after, before, strict=True)]
        if ledger.substituted:
            raise TooSlow(
                f"{ledger.substituted} readings came too late; play it slower, with a smaller --speed"
            )
        count = len(self._homes)
        return Story(
            self._week,
            ledger.make_outcome(first_slot, self._hours),
            Settled(tuple(settled[:count]), *settled[count:]),
            Passage(
                str(await self._chain.connection.request("system_chain")),
                self._chain.genesis,
                len(self._stage.chains),
                first_block,
                last_block,
                ledger.transactions,
                self._slot_ms,
                first_slot,
                self._clock.monotonic() - self._started,
                zone,
            ),
            tuple(ledger.epochs),
            ledger.list_trades(first_slot, self._hours),
            ledger.list_measured(first_slot, self._hours),
            certified,
            tuple(ledger.fees[home.account] for home in self._homes),
            dict(sorted(ledger.supervision.items())),
        )

    # --- before

    async def _find_zone(self) -> tuple[int, AccountId]:
        """Return the zone of the first market and its operator."""
        zones = sorted([key[0] async for key, _ in self._chain.entries("Market", "Markets")])
        if not zones:
            raise Missing("the chain has no market")
        found = await self._chain.get("Grid", "Zones", zones[0])
        if found is None:
            raise Missing(f"zone {zones[0]} has a market, but no grid")
        return zones[0], AccountId(found["operator"])

    async def _find_feeds(self) -> dict[str, int]:
        """Return the numbers of the feeds that are answered, by key."""
        known = {feed["key"].decode(): key[0] async for key, feed in self._chain.entries("Oracle", "Feed")}
        missing = [key for key in FEEDS if key not in known]
        if missing:
            raise Missing(f"the oracle has no feed {missing[0]}")
        return {key: known[key] for key in FEEDS}

    async def _register(self, registration: Registration, follower: Follower, operator: AccountId) -> None:
        tell = self._progress.tell
        async with asyncio.TaskGroup() as group:
            tell("GRID for the fees of transactions")
            group.create_task(registration.endow([self._head_end]))
            tell("officers attest and license homes and operator")
            group.create_task(registration.attest(operator, follower.now_ms))
            tell("baht come in: the reserve is reported, WATT is minted")
            group.create_task(registration.mint(follower.now_ms))
        tell("homes consent, register with the market, put money aside")
        await registration.enrol()

    # --- the week

    async def _trade(
        self,
        registration: Registration,
        ledger: Ledger,
        follower: Follower,
        zone: int,
        operator: Keypair,
    ) -> int:
        """Play all hours and wait for the last payment; return the first slot."""
        tell, hours = self._progress.tell, self._hours
        metered_from = follower.slot + 1 + INCLUSION_MS // self._slot_ms
        tell("the operator registers thirty meters, homes their roofs")
        await registration.register_meters(operator, metered_from)
        await registration.register_devices()
        first_slot = self._choose_first_slot(follower.slot, self._clock.monotonic() - self._started)
        tell("governance sets the prices of the tariff")
        await registration.set_prices(first_slot, hours)
        metering = Metering(self._stage, self._week, self._homes, self._head_end, first_slot, hours)
        trading = Trading(self._stage, self._week, self._homes, zone, first_slot, hours)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(metering.run(follower, metered_from))
            tell("homes place the orders of the first day")
            await trading.place_first_day()
            group.create_task(self._providers.run(follower, first_slot, hours, self._slot_ms))
            group.create_task(trading.run(follower))
            tell("the week")
            await self._watch(ledger, follower, first_slot)
            tell("the last payments")
            await self._await_netting(ledger, follower)
            reading.cancel()
        return first_slot

    def _choose_first_slot(self, slot: int, registration_s: float) -> int:
        """Return a slot with time enough before it, such that a netting follows the last hour.

        Each home's first orders take about as long as a call of the registration did.
        """
        lead_ms = round(1_200 * len(self._homes) * registration_s / REGISTRATION_CALLS) + SPARE_MS
        epoch_slots: int = self._chain.constant("Settlement", "EpochSlots")
        offset: int = self._chain.constant("Settlement", "EpochOffsetSlots")
        earliest = slot + 1 + -(-lead_ms // self._slot_ms)
        return earliest + -(earliest + self._hours + NETTING_LAG_SLOTS + offset) % epoch_slots

    async def _watch(self, ledger: Ledger, follower: Follower, first_slot: int) -> None:
        """Return once the last hour is settled; TooSlow when one is not for long."""
        late_slots = SETTLING_MS // self._slot_ms + 1
        for number in range(self._hours):
            slot = first_slot + number

            def is_over(slot: int = slot) -> bool:
                return ledger.is_settled(slot) or follower.slot > slot + late_slots

            await follower.wait_for(is_over)
            if not ledger.is_settled(slot):
                raise TooSlow(f"hour {number} is not settled after {late_slots} slots; play it slower")
            self._progress.advance(number + 1)

    async def _await_netting(self, ledger: Ledger, follower: Follower) -> None:
        """Return once nothing accrued is left to be paid: an hour without energy accrues nothing."""
        while True:
            known = len(ledger.epochs)
            block = (await self._chain.finalized()).hash
            if not [key async for key, _ in self._chain.entries("Settlement", "Accrual", at=block)]:
                return

            def is_netted(known: int = known) -> bool:
                return len(ledger.epochs) > known

            await follower.wait_for(is_netted)

    # --- afterwards

    async def _certify(self, follower: Follower, first_slot: int) -> tuple[Certified, ...]:
        """Ask for the certificates of the roofs and issue them; return what each home has."""
        stage, last_slot = self._stage, first_slot + self._hours - 1
        self._progress.tell("certificates of the roofs")
        await stage.send_all(
            [
                (
                    home.key,
                    home.name,
                    "ask for certificates",
                    stage.call(
                        "Certificates",
                        "request_issue",
                        device=home.roof.id,
                        first=first_slot,
                        last=last_slot,
                    ),
                )
                for home in self._homes
            ]
        )
        carbon = sum(self._week.hour(number).weather.carbon_dg_per_kwh for number in range(self._hours))
        approvals = [
            stage.call(
                "Certificates",
                "approve_issue",
                device=home.roof.id,
                carbon_g_per_kwh=carbon // (10 * self._hours),
            )
            for home in self._homes
        ]
        issuer = cast.make_key(cast.ROOT)
        await stage.send(issuer, cast.ROOT, "issue certificates", stage.batch(approvals))
        await follower.wait_for(lambda: follower.number >= stage.last_block)
        claims = [await self._chain.get("Certificates", "Claimed", home.roof.id) for home in self._homes]
        return tuple(Certified(claim["issued"], claim["remainder_wh"]) for claim in claims)

    async def _read_balances(self, follower: Follower, zone: int, operator: AccountId) -> list[int]:
        """Return what homes, pots of fees and wheeling, operator and pot of penalties have, in
        the order of `Settled`."""
        await follower.wait_for(lambda: follower.number >= self._stage.last_block)
        block = (await self._chain.finalized()).hash
        accounts = [
            *(home.account for home in self._homes),
            _pot(TREASURY_POT),
            _pot(WHEELING_POT + zone.to_bytes(2, "big")),
            operator,
        ]
        found = [await self._wealth(account, block) for account in accounts]
        return [*found, await self._wealth(_pot(b"penalty_"), block)]

    async def _wealth(self, account: bytes, block: Hash) -> int:
        """Return an account's WATT, free and on hold."""
        free = await self._chain.get("Assets", "Account", WATT_ID, account, at=block)
        holds = await self._chain.get("AssetHolds", "Holds", WATT_ID, account, at=block) or ()
        held = sum(int(one["amount"]) for one in holds)
        return held + (0 if free is None else int(free["balance"]))


def _key_of(account: AccountId) -> Keypair:
    """Return the key of one of a development chain's accounts."""
    for uri in DEV_ACCOUNTS:
        key = cast.make_key(uri)
        if key.account_id == account:
            return key
    raise Missing("the zone's operator is none of the accounts that everybody knows")


def _pot(name: bytes) -> AccountId:
    """Return the account of a pot, as Substrate makes it of a name of eight bytes."""
    return AccountId((b"modl" + name).ljust(32, b"\0"))
