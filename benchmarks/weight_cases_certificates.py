"""What the certificates' calls are measured on, in the dearest state that a weight must cover.

The chain is the whole composition, so that what a device generated comes out of the readings of a real
meter. Issuers are as many as there can be; the one that acts is the last.
"""

from benchmarks.weight_scene import Act, Cases, Scene, person
from pallets.certificates.issuance import WH_PER_CERTIFICATE
from pallets.certificates.types import CODE_MAX, ISSUERS_MAX, PURPOSE_MAX, Claimed, Period
from pallets.compliance.compliance_types import NEVER, LicenceKind, Tier
from pallets.compliance.office import Role
from pallets.energy_trading.grid_types import OperatorKind, Zone, ZoneStatus
from pallets.settlement.meters_types import (
    Fuel,
    LastRegister,
    MeterId,
    MeterKind,
    NewMeter,
    Quality,
    Reading,
    Registers,
)
from runtime.frame.dispatch import ROOT
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, CHARLIE

CASES = Cases()
ZONE = 1
OWNER = person(0)
DEVICE, METER = bytes([1]) * 32, MeterId(Hash(bytes([2]) * 32))
CODE = b"x" * CODE_MAX
BATCH_WH = 5 * WH_PER_CERTIFICATE
PERIOD = 2_000
"""Slots between the ends of a request."""
OTHERS = tuple(AccountId(blake2_256(b"issuer %d" % number)) for number in range(ISSUERS_MAX - 1))


def stage(scene: Scene) -> Period:
    """Give the owner a meter with readings at the ends of a period, which is returned, and permissions."""
    energy = scene.chain.pallets.energy
    scene.ok(ROOT, "Compliance.register_officer", ALICE, tuple(Role))
    scene.ok(ALICE, "Compliance.file_kyc", OWNER, bytes(32), b"TH")
    scene.ok(ALICE, "Compliance.attest_kyc", OWNER, Tier.Enhanced, NEVER, None)
    for kind in (LicenceKind.Trading, LicenceKind.Generation):
        scene.ok(ALICE, "Compliance.issue_licence", OWNER, kind, NEVER, bytes(32))
    scene.ok(ROOT, "Grid.set_zone", ZONE, Zone(OperatorKind.MEA, ALICE, 0, 0, ZoneStatus.InService))
    slot = energy.market.store.current_slot()
    new = (METER, OWNER, ZONE, MeterKind.Prosumer, Fuel.Solar, 5_000, bytes(32), Registers(0, 0), slot)
    scene.ok(ROOT, "Meters.register_meter", NewMeter(*new))
    for ahead, shown in ((0, 0), (PERIOD, BATCH_WH)):
        reading = Reading(0, 0, Quality.Good, exported_wh=shown)
        energy.meters.readings.put(slot + ahead, METER, reading)
    energy.meters.last_registers.put(METER, LastRegister(slot + PERIOD, 9, Registers(0, BATCH_WH)))
    energy.certificates.issuers.put((*OTHERS, ALICE))
    return Period(slot, slot + PERIOD)


def with_device(scene: Scene) -> Period:
    """Let the owner have a verified device that has claimed something before."""
    period = stage(scene)
    scene.ok(OWNER, "Certificates.register_device", DEVICE, METER, CODE, CODE, 5_000)
    scene.ok(ALICE, "Certificates.verify_device", DEVICE, False)
    scene.chain.pallets.energy.certificates.claimed.put(DEVICE, Claimed(period.first - 1, 1, 0))
    return period


def with_batch(scene: Scene) -> None:
    """Let the owner have a batch of certificates."""
    period = with_device(scene)
    scene.ok(OWNER, "Certificates.request_issue", DEVICE, period.first, period.last)
    scene.ok(ALICE, "Certificates.approve_issue", DEVICE, 400)


@CASES.add("CERTIFICATES_REGISTER_DEVICE")
def register_device(scene: Scene) -> Act:
    stage(scene)
    return scene.act(OWNER, "Certificates.register_device", DEVICE, METER, CODE, CODE, 5_000)


@CASES.add("CERTIFICATES_VERIFY_DEVICE")
def verify_device(scene: Scene) -> Act:
    with_device(scene)
    return scene.act(ALICE, "Certificates.verify_device", DEVICE, True)


@CASES.add("CERTIFICATES_REQUEST_ISSUE")
def request_issue(scene: Scene) -> Act:
    period = with_device(scene)
    return scene.act(OWNER, "Certificates.request_issue", DEVICE, period.first, period.last)


@CASES.add("CERTIFICATES_APPROVE_ISSUE")
def approve_issue(scene: Scene) -> Act:
    period = with_device(scene)
    scene.ok(OWNER, "Certificates.request_issue", DEVICE, period.first, period.last)
    return scene.act(ALICE, "Certificates.approve_issue", DEVICE, 400)


@CASES.add("CERTIFICATES_WITHDRAW_REQUEST")
def withdraw_request(scene: Scene) -> Act:
    period = with_device(scene)
    scene.ok(OWNER, "Certificates.request_issue", DEVICE, period.first, period.last)
    return scene.act(ALICE, "Certificates.withdraw_request", DEVICE)


@CASES.add("CERTIFICATES_TRANSFER")
def transfer(scene: Scene) -> Act:
    with_batch(scene)
    return scene.act(OWNER, "Certificates.transfer", CHARLIE, 0, 1)


@CASES.add("CERTIFICATES_REDEEM")
def redeem(scene: Scene) -> Act:
    with_batch(scene)
    purpose, consumption = b"x" * PURPOSE_MAX, Period(0, 1)
    return scene.act(OWNER, "Certificates.redeem", 0, 1, bytes(32), purpose, consumption)


@CASES.add("CERTIFICATES_CANCEL")
def cancel(scene: Scene) -> Act:
    with_batch(scene)
    return scene.act(ALICE, "Certificates.cancel", 0)


@CASES.add("CERTIFICATES_SET_ISSUER")
def set_issuer(scene: Scene) -> Act:
    stage(scene)
    return scene.act(ROOT, "Certificates.set_issuer", ALICE, True)


@CASES.add("CERTIFICATES_REMOVE_DEVICE")
def remove_device(scene: Scene) -> Act:
    with_device(scene)
    scene.chain.pallets.energy.certificates.claimed.remove(DEVICE)
    return scene.act(OWNER, "Certificates.remove_device", DEVICE)
