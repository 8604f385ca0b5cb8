"""Everything before the first hour: GRID and WATT, identities, licences, consents, guarantees, prices.

Responsible for the order of these steps and their calls. Baht come in the only way there is: attestors report
what a bank account holds, and one of them requests WATT for a home that another approves. It trades nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apps.chain.values import Encoded, Value, Variant
from apps.demo.cast import ROOT, SECOND, Device, Home, make_key
from apps.demo.errors import Missing
from apps.demo.stage import Stage
from apps.demo.week import Week
from pallets.energy_trading.units import MONEY_PER_SATANG
from runtime.primitives.crypto import Keypair
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId

UNIT: Final = 10**12
GRID_EACH: Final = 1_000 * UNIT
WATT_EACH: Final = 20_000 * UNIT
COLLATERAL: Final = 5_000 * UNIT
DEPOSIT: Final = 1_000 * UNIT
WATT_ID: Final = 1
NEVER_MS: Final = (1 << 64) - 1
YEAR_MS: Final = 365 * 86_400_000
THAILAND: Final = b"TH"
CONSENT_VERSION: Final = 1
HOME_WATTS: Final = 10_000
"""What a home's connection carries: more than any of them took or gave in an hour."""
HOUR_MS: Final = 3_600_000
SOLAR: Final = b"ES100"
ROOFTOP: Final = b"TC120"
"""I-REC codes of what makes the energy, and how."""


class Registration:
    """The steps for the homes of a week in one zone."""

    def __init__(self, stage: Stage, week: Week, homes: Sequence[Home], zone: int, slot_ms: int) -> None:
        self._stage = stage
        self._week = week
        self._homes = tuple(homes)
        self._zone = zone
        self._slot_ms = slot_ms
        self._root, self._second = make_key(ROOT), make_key(SECOND)

    async def endow(self, others: Sequence[Keypair]) -> None:
        """Give the homes and some other accounts GRID for their transactions."""
        stage = self._stage
        accounts = [*(home.key.account_id for home in self._homes), *(key.account_id for key in others)]
        calls = [
            stage.call("Balances", "transfer_keep_alive", dest=account, value=GRID_EACH)
            for account in accounts
        ]
        await self._by_root("give the homes GRID", stage.batch(calls))

    async def attest(self, operator: AccountId, now_ms: int) -> None:
        """Let an officer attest who the homes belong to, license them to trade and to generate, and the
        zone's operator to run the grid."""
        stage, expires_ms = self._stage, now_ms + YEAR_MS
        calls = [self._license(operator, "Grid", expires_ms)]
        for home in self._homes:
            evidence = blake2_256(b"evidence of " + home.name.encode())
            who = home.account
            calls += [
                stage.call("Compliance", "file_kyc", who=who, evidence=evidence, country=THAILAND),
                stage.call(
                    "Compliance",
                    "attest_kyc",
                    who=who,
                    tier="Enhanced",
                    expires_ms=expires_ms,
                    daily_limit=None,
                ),
                *(self._license(who, kind, expires_ms) for kind in ("Trading", "Generation")),
            ]
        await self._by_root("attest and license the homes", stage.batch(calls))

    async def mint(self, now_ms: int) -> None:
        """Bring the homes' baht onto the chain: a report of the reserve, then WATT against payments."""
        stage = self._stage
        supply: int = (await stage.chain.get("Assets", "Asset", WATT_ID))["supply"]
        held = supply + WATT_EACH * len(self._homes)
        report = stage.call(
            "WattReserve",
            "report_reserve",
            as_of=now_ms,
            custodian=b"a bank of the demonstration",
            satang=-(-held // MONEY_PER_SATANG),
            paid_satang=await stage.chain.get("WattReserve", "PaidSatang"),
            document_hash=blake2_256(b"statement of the demonstration"),
        )
        what = "report the reserve"
        await stage.send_all([(self._root, ROOT, what, report), (self._second, SECOND, what, report)])
        requests = [
            stage.call(
                "WattReserve",
                "request_mint",
                beneficiary=home.account,
                amount=WATT_EACH,
                payment=blake2_256(b"payment of " + home.name.encode()),
            )
            for home in self._homes
        ]
        asked = await self._by_root("request WATT for the homes", stage.batch(requests))
        numbers = [one["request"] for name, one in asked if name == "MintRequested"]
        approvals = [stage.call("WattReserve", "approve_mint", request=number) for number in numbers]
        await self._by_second("approve WATT for the homes", stage.batch(approvals))

    async def enrol(self) -> None:
        """Let each home consent to readings on the chain, register with the market, put money aside."""
        stage = self._stage
        put_aside = [("Deposit", DEPOSIT), ("Collateral", COLLATERAL)]
        call = stage.batch(
            [
                stage.call(
                    "Privacy",
                    "give_consent",
                    purpose="MeterPublication",
                    version=CONSENT_VERSION,
                    expires_ms=None,
                ),
                stage.call("Market", "register_participant"),
                *(
                    stage.call("Collateral", "deposit_collateral", kind=kind, amount=amount)
                    for kind, amount in put_aside
                ),
            ]
        )
        what = "consent, register and put money aside"
        await stage.send_all([(home.key, home.name, what, call) for home in self._homes])

    async def register_meters(self, operator: Keypair, first_slot: int) -> None:
        """Let the operator register the meters, home by home: slots are settled in this order."""
        calls = [
            self._stage.call("Meters", "register_meter", new=self._describe(home, device, first_slot))
            for home in self._homes
            for device in (home.load, home.roof)
        ]
        what = "register the meters"
        await self._stage.send(operator, "the zone's operator", what, self._stage.batch(calls))

    async def register_devices(self) -> None:
        """Register the roofs for certificates, and let an issuer verify them."""
        stage = self._stage
        issuer = stage.call("Certificates", "set_issuer", who=self._root.account_id, is_issuer=True)
        await self._by_root("name an issuer of certificates", stage.call("Sudo", "sudo", call=issuer))
        await stage.send_all(
            [
                (
                    home.key,
                    home.name,
                    "register its roof",
                    stage.call(
                        "Certificates",
                        "register_device",
                        device=home.roof.id,
                        meter=home.roof.id,
                        fuel=SOLAR,
                        technology=ROOFTOP,
                        capacity_w=HOME_WATTS,
                    ),
                )
                for home in self._homes
            ]
        )
        verified = [
            stage.call("Certificates", "verify_device", device=home.roof.id, is_assigned=False)
            for home in self._homes
        ]
        await self._by_root("verify the roofs", stage.batch(verified))

    async def set_prices(self, first_slot: int, hours: int) -> None:
        """Let governance set the grid's prices of all hours, those of the tariff that was in force."""
        week = self._week
        prices = [
            {"feed_in_ticks": week.feed_in_ticks, "retail_ticks": week.hour(number).retail_ticks}
            for number in range(hours)
        ]
        inner = self._stage.call(
            "Settlement", "set_prices", zone=self._zone, first_slot=first_slot, prices=prices
        )
        await self._by_root("set the grid's prices", self._stage.call("Sudo", "sudo", call=inner))

    # --- helpers

    def _license(self, holder: AccountId, kind: str, expires_ms: int) -> Encoded:
        return self._stage.call(
            "Compliance",
            "issue_licence",
            holder=holder,
            kind=kind,
            expires_ms=expires_ms,
            deed=blake2_256(kind.encode() + holder),
        )

    def _describe(self, home: Home, device: Device, first_slot: int) -> Value:
        """Return a new meter; in compressed time it counts an hour's energy in a slot, so its capacity is so
        much larger."""
        return {
            "id": device.id,
            "owner": home.account,
            "zone": self._zone,
            "kind": "Generation" if device.is_roof else "Load",
            "fuel": "Solar" if device.is_roof else "Unspecified",
            "capacity_w": HOME_WATTS * HOUR_MS // self._slot_ms,
            "key": device.key.public,
            "registers": {"import_wh": 0, "export_wh": 0},
            "first_slot": first_slot,
        }

    async def _by_root(self, what: str, call: Encoded) -> list[tuple[str, Value]]:
        return await self._by(self._root, ROOT, what, call)

    async def _by_second(self, what: str, call: Encoded) -> list[tuple[str, Value]]:
        return await self._by(self._second, SECOND, what, call)

    async def _by(self, key: Keypair, name: str, what: str, call: Encoded) -> list[tuple[str, Value]]:
        """Send a call; return the events. A superuser's call may fail although it was made."""
        outcome = await self._stage.send(key, name, what, call)
        for event in outcome.events:
            if event.pallet == "Sudo" and event.name == "Sudid":
                result = event.value["sudo_result"]
                if isinstance(result, Variant) and result.name == "Err":
                    raise Missing(f"{name} could not {what}: {self._explain(result.value)}")
        return [(event.name, event.value) for event in outcome.events]

    def _explain(self, failure: Value) -> str:
        return str(self._stage.chain.runtime.describe_failure(failure))
