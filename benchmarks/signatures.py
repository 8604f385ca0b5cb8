"""The signature stage: verifications a second through the workers, and what they cost the main process.

`python -m benchmarks.signatures [SIGNATURES [WORKERS…]]` prints one JSON line per case. Half of
the signatures are sr25519, half ed25519, over payloads as long as a transfer's.
"""

import asyncio
import os
import sys
import time
from typing import Any, Final

from benchmarks.measure import machine_seconds, report
from node.verifier import Verifier
from node.verifier_worker import Job
from runtime.primitives.crypto import Keypair, Scheme, verify

SIGNATURES: Final = 24_000
DISTINCT: Final = 2_000
PAYLOAD_BYTES: Final = 120


def make_jobs(count: int) -> list[Job]:
    """Jobs that alternate between the schemes; every one is valid."""
    pairs = [
        Keypair.from_seed(number.to_bytes(32, "big"), Scheme.SR25519 if number % 2 else Scheme.ED25519)
        for number in range(1, 65)
    ]
    distinct: list[Job] = []
    for number in range(DISTINCT):
        pair = pairs[number % len(pairs)]
        payload = number.to_bytes(PAYLOAD_BYTES, "big")
        distinct.append((int(pair.scheme), pair.public, pair.sign(payload), payload))
    return [distinct[number % DISTINCT] for number in range(count)]


async def run_case(jobs: list[Job], workers: int, batch: int) -> dict[str, Any]:
    """Submit all jobs in batches as wait_capacity allows and wait for the last answer."""
    loop = asyncio.get_running_loop()
    async with Verifier(workers) as verifier:
        assert await verifier.verify_many(jobs[: 64 * max(1, workers)]) == b"\x01" * 64 * max(1, workers)
        await verifier.verify_many(jobs[:512])  # every worker has started
        left = len(jobs)
        good = 0
        done: asyncio.Future[None] = loop.create_future()

        def on_results(results: bytes) -> None:
            nonlocal left, good
            left -= len(results)
            good += sum(results)
            if not left:
                done.set_result(None)

        workers_before, main_before = verifier.cpu_ns, time.process_time_ns()
        machine_before, started = machine_seconds(), time.perf_counter()
        for start in range(0, len(jobs), batch):
            await verifier.wait_capacity()
            verifier.submit_many(jobs[start : start + batch], on_results)
        await done
        took = time.perf_counter() - started
        main_us = (time.process_time_ns() - main_before) / 1000
        workers_us = (verifier.cpu_ns - workers_before) / 1000
        machine_s = machine_seconds() - machine_before
        assert good == len(jobs)
    return {
        "workers": workers,
        "batch": batch,
        "signatures": len(jobs),
        "per_second": round(len(jobs) / took),
        "main_us_per_signature": round(main_us / len(jobs), 2),
        "worker_us_per_signature": round(workers_us / len(jobs), 2),
        "foreign_cores": machine_s / took - (main_us + workers_us) / 1e6 / took,
    }


def main() -> None:
    """Report each number of workers with each size of submitted batches, and the checks one after another."""
    given = [int(argument) for argument in sys.argv[1:]]
    counts = given[1:] or [len(os.sched_getaffinity(0))]
    jobs = make_jobs(given[0] if given else SIGNATURES)
    serial = jobs[:DISTINCT]
    started = time.process_time_ns()
    assert all(verify(*job) for job in serial)
    serial_us = (time.process_time_ns() - started) / 1000 / len(serial)
    for workers in counts:
        for batch in (1, 16, 100):
            figures = asyncio.run(run_case(jobs, workers, batch))
            report("signatures", **figures, serial_us_per_signature=round(serial_us, 2))


if __name__ == "__main__":
    main()
