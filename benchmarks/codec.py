"""SCALE codecs: header, account record, signed transfer and a block's events, encoded and decoded.

`python -m benchmarks.codec [ROUNDS]` prints one JSON line per value, the least of several turns in
microseconds of processor time for each value (for events, for each event). Each turn uses a fresh value in
every round; what comes back is compared with what went in.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from benchmarks.load import Signing, make_accounts, sign_transfers
from benchmarks.measure import Meter, measure_us, report
from benchmarks.transfers import Machine
from pallets.token.balances_events import Transfer
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.event import ApplyExtrinsic, EventRecord
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import Digest, Header, PreRuntime, decode_header, encode_header
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.scale import codec
from runtime.primitives.types import AccountId, Hash

T = TypeVar("T")
ROUNDS: Final = 20_000
TURNS: Final = 5
BALANCES: Final = 10
"""The index of Balances in the composition."""
GENESIS: Final = bytes(32)


def make_hash(number: int) -> Hash:
    return Hash(number.to_bytes(32, "big"))


def make_header(number: int) -> Header:
    logs = (PreRuntime(b"BABE", b"\2" + bytes(12)), PreRuntime(b"TIME", number.to_bytes(8, "little")))
    return Header(make_hash(number), number, make_hash(number + 1), make_hash(number + 2), Digest(logs))


def make_account(number: int) -> AccountInfo:
    return AccountInfo(number, 0, 1, 0, AccountData(10**18 + number))


def make_event(number: int) -> EventRecord:
    parties = AccountId(make_hash(number)), AccountId(make_hash(number + 1))
    return EventRecord(ApplyExtrinsic(number), BALANCES, Transfer(*parties, 10**12 + number), ())


def measure_pair(
    values: Sequence[T], encode: Callable[[T], bytes], decode: Callable[[bytes], T]
) -> dict[str, Any]:
    """Return the costs both ways; asserts that every value survives."""
    encoded: list[bytes] = []
    decoded: list[T] = []
    encode_us, decode_us = [], []
    for _ in range(TURNS):
        encoded.clear()
        decoded.clear()
        encode_us.append(measure_us(lambda: encoded.extend(map(encode, values)), len(values)))
        decode_us.append(measure_us(lambda: decoded.extend(map(decode, encoded)), len(values)))
        assert decoded == list(values)
    return {
        "bytes": len(encoded[0]),
        "encode_us": round(min(encode_us), 3),
        "decode_us": round(min(decode_us), 3),
    }


def measure_events(machine: Machine, count: int) -> dict[str, Any]:
    """Return the costs of one event in a block's vector of them."""
    events = machine.api.runtime.events.codec
    records: Sequence[EventRecord] = tuple(make_event(number) for number in range(count))
    figures = measure_pair([records], events.encode, events.decode)
    costs = {name: round(figures[name] / count, 3) for name in ("encode_us", "decode_us")}
    return {"bytes": figures["bytes"] // count, **costs}


def measure_transfers(machine: Machine, count: int) -> dict[str, Any]:
    """Return what decoding a signed transfer costs, and building the payload that was signed."""
    accounts = make_accounts(64)
    signed = sign_transfers(accounts, min(count, 1_000), Signing(1, 1, GENESIS))
    raws = [bytes.fromhex(text[2:]) for text in signed]
    decode_us, payload_us = [], []
    extrinsics: list[Extrinsic] = []
    jobs: list[SignatureJob] = []
    api = machine.api
    for _ in range(TURNS):
        extrinsics.clear()
        jobs.clear()
        decode_us.append(measure_us(lambda: extrinsics.extend(map(api.decode_extrinsic, raws)), len(raws)))
        payload_us.append(measure_us(lambda: jobs.extend(map(api.signature_job, extrinsics)), len(raws)))
        for number, extrinsic in enumerate(extrinsics):
            assert extrinsic.data == raws[number]
            assert extrinsic.signer == accounts[number % len(accounts)].account_id
            assert jobs[number].public == extrinsic.signer
    return {
        "bytes": len(raws[0]),
        "decode_us": round(min(decode_us), 3),
        "signing_payload_us": round(min(payload_us), 3),
    }


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    machine = Machine(())
    account = codec(AccountInfo)
    cases: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
        ("header", lambda: measure_pair([*map(make_header, range(rounds))], encode_header, decode_header)),
        (
            "account",
            lambda: measure_pair([*map(make_account, range(rounds))], account.encode, account.decode),
        ),
        ("signed_transfer", lambda: measure_transfers(machine, rounds)),
        ("event", lambda: measure_events(machine, rounds)),
    )
    for name, measure in cases:
        meter = Meter()
        figures = measure()
        report("codec", value=name, **figures, foreign_cores=meter.read().foreign_cores)


if __name__ == "__main__":
    main()
