"""Signature workers answer every job rightly, whatever happens to them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import verifier as verifier_module
from node.verifier import (
    CAPACITY_JOBS,
    CAPACITY_LOW_JOBS,
    JOBS_MAX,
    RESPAWNS_MAX,
    Verifier,
    VerifierFailed,
    VerifierFull,
)
from node.verifier_worker import (
    KEY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    SEGMENT_JOBS_MAX,
    Job,
    check_segments,
    decode_segments,
    encode_segment,
)
from runtime.primitives.crypto import Keypair, Scheme, verify

ROOT = Path(__file__).resolve().parent.parent.parent


def make_jobs() -> list[tuple[Job, bool]]:
    """Valid and corrupted signatures of every scheme, with what the one verify function says of them."""
    jobs: list[Job] = []
    for scheme in Scheme:
        for number in range(1, 9):
            pair = Keypair.from_seed(number.to_bytes(32, "big"), scheme)
            message = b"message %d" % number
            signature = pair.sign(message)
            broken = bytes((signature[0] ^ 1,)) + signature[1:]
            jobs += [
                (scheme, pair.public, signature, message),
                (scheme, pair.public, broken, message),
                (scheme, pair.public, signature, message + b"!"),
                (scheme, pair.public[:-1], signature, message),
                (scheme, pair.public, signature[:-1], message),
                ((scheme + 1) % 3, pair.public, signature, message),
            ]
    jobs += [(9, b"", b"", b""), (255, bytes(KEY_BYTES_MAX), bytes(KEY_BYTES_MAX), bytes(MESSAGE_BYTES_MAX))]
    return [(job, verify(*job)) for job in jobs]


JOBS = make_jobs()
GOOD = [job for job, good in JOBS if good]
BAD: Job = (0, b"", b"", b"")


def mix(count: int, seed: int = 0) -> tuple[list[Job], bytes]:
    chosen = [JOBS[(number * 7919 + seed * 31) % len(JOBS)] for number in range(count)]
    return [job for job, _ in chosen], bytes(good for _, good in chosen)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(4000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_mix_has_both_kinds() -> None:
    assert sum(good for _, good in JOBS) == 24
    assert len(JOBS) == 146


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.binary(max_size=KEY_BYTES_MAX),
            st.binary(max_size=KEY_BYTES_MAX),
            st.binary(max_size=300),
        ),
        min_size=1,
        max_size=SEGMENT_JOBS_MAX,
    )
)
def test_segments_round_trip(jobs: list[Job]) -> None:
    assert decode_segments(encode_segment(jobs) + encode_segment(jobs[:1])) == [*jobs, jobs[0]]


def test_segment_is_checked_job_by_job() -> None:
    jobs, expected = mix(SEGMENT_JOBS_MAX)
    assert check_segments(encode_segment(jobs)) == expected


@pytest.mark.parametrize(
    "job",
    [
        (0, bytes(KEY_BYTES_MAX + 1), b"", b""),
        (0, b"", bytes(KEY_BYTES_MAX + 1), b""),
        (0, b"", b"", bytes(MESSAGE_BYTES_MAX + 1)),
        (256, b"", b"", b""),
        (-1, b"", b"", b""),
    ],
)
async def test_job_beyond_a_limit_is_refused_with_its_batch(job: Job) -> None:
    async with Verifier(0) as verifier:
        with pytest.raises(ValueError):  # noqa: PT011 - bytes() words some of them
            verifier.submit_many([*[BAD] * 100, job], lambda _: None)
        assert verifier.unverified == 0


@pytest.mark.parametrize("workers", [0, 1, 2])
async def test_every_job_gets_its_own_answer(workers: int) -> None:
    async with Verifier(workers) as verifier:
        futures = []
        for seed, size in enumerate((1, 63, 64, 65, 1, 0, 127, 128, 129, 300, 2)):
            jobs, expected = mix(size, seed)
            futures.append((verifier.verify_many(jobs, urgent=bool(seed % 2)), expected))
        single = verifier.verify(GOOD[0]), verifier.verify(BAD)
        assert verifier.unverified == sum(len(expected) for _, expected in futures) + 2
        for future, expected in futures:
            assert await future == expected
        assert [await one for one in single] == [True, False]
        assert verifier.unverified == 0
        assert len(verifier.pids) <= workers


@pytest.mark.slow
async def test_ten_thousand_jobs_in_batches_of_any_size() -> None:
    jobs, expected = mix(10_000)
    results = bytearray(len(jobs))
    async with Verifier(2) as verifier:
        position = 0
        while position < len(jobs):
            size = 1 + position * 7919 % 400

            def store(answer: bytes, start: int = position) -> None:
                results[start : start + len(answer)] = answer

            await verifier.wait_capacity()
            verifier.submit_many(jobs[position : position + size], store, urgent=size % 5 == 0)
            position += size
        await until(lambda: verifier.unverified == 0)
        await asyncio.sleep(0)
        assert bytes(results) == expected
        assert len(verifier.pids) == 2
        assert verifier.deaths == 0
        assert verifier.cpu_ns > 0


async def test_workers_start_only_when_there_is_work_for_them() -> None:
    async with Verifier(2) as verifier:
        counts = [len(verifier.pids)]
        assert await verifier.verify(GOOD[0])
        counts.append(len(verifier.pids))
        await verifier.verify_many(GOOD * 40)
        counts.append(len(verifier.pids))
        assert counts == [0, 1, 2]


async def test_killed_worker_loses_no_job() -> None:
    jobs, expected = mix(3000)
    async with Verifier(2) as verifier:
        await verifier.verify_many(jobs[:512])
        future = verifier.verify_many(jobs)
        await until(lambda: verifier.unverified < 2800)
        victim = verifier.pids[0]
        os.kill(victim, signal.SIGKILL)
        assert await future == expected
        assert verifier.deaths == 1
        assert victim not in verifier.pids
        assert await verifier.verify_many(jobs) == expected
        assert len(verifier.pids) == 2
    assert not is_alive(victim)


async def test_all_workers_killed_at_once_lose_no_job() -> None:
    jobs, expected = mix(1000)
    async with Verifier(2) as verifier:
        future = verifier.verify_many(jobs)
        await until(lambda: verifier.unverified < 900)
        for pid in verifier.pids:
            os.kill(pid, signal.SIGKILL)
        assert await future == expected
        assert verifier.deaths == 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_job_that_kills_its_worker_is_invalid_and_harms_no_other(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import os, node.verifier_worker as w; real = w.verify; "
        "w.verify = lambda *job: os._exit(9) if job[3] == b'poison' else real(*job); w.main()"
    )
    monkeypatch.setattr(verifier_module, "_PROGRAM", program)
    jobs, expected = mix(300)
    jobs.insert(77, (0, b"", b"", b"poison"))
    async with Verifier(workers) as verifier:
        pool = verifier.verify_many(jobs)
        urgent = verifier.verify_many(mix(100, 1)[0], urgent=True)
        assert await pool == expected[:77] + b"\x00" + expected[77:]
        assert await urgent == mix(100, 1)[1]
        assert verifier.deaths == 4
        assert await verifier.verify(GOOD[0])


async def test_workers_that_cannot_live_fail_the_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with Verifier(2) as verifier:
        future = verifier.verify_many([GOOD[0]] * 1000)
        with pytest.raises(VerifierFailed):
            await asyncio.wait_for(verifier.run(), 20)
        assert verifier.deaths == RESPAWNS_MAX + 1
        assert not future.done()


async def test_loop_checks_itself_while_no_worker_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    jobs, expected = mix(300)
    async with Verifier(2) as verifier:
        assert await verifier.verify_many(jobs) == expected
        assert await verifier.verify_many(jobs, urgent=True) == expected
        assert verifier.pids == ()
        monkeypatch.undo()
        monkeypatch.setattr(verifier, "_no_start_before", 0.0)
        assert await verifier.verify_many(jobs) == expected
        assert len(verifier.pids) >= 1


async def test_urgent_jobs_overtake_waiting_ones() -> None:
    async with Verifier(1) as verifier:
        await verifier.verify(BAD)
        pool = verifier.verify_many([GOOD[0]] * 4000)
        await asyncio.sleep(0)
        assert await verifier.verify_many(GOOD, urgent=True) == b"\x01" * len(GOOD)
        assert verifier.unverified > 2000
        assert not pool.done()
        assert await pool == b"\x01" * 4000


async def test_capacity_is_waited_for_above_the_limit_only() -> None:
    async with Verifier(0) as verifier:
        verifier.submit_many([BAD] * CAPACITY_JOBS, lambda _: None)
        await verifier.wait_capacity()
        assert verifier.unverified == CAPACITY_JOBS
        verifier.submit_many([BAD], lambda _: None)
        await verifier.wait_capacity()
        assert CAPACITY_LOW_JOBS - 4 * SEGMENT_JOBS_MAX <= verifier.unverified <= CAPACITY_LOW_JOBS


async def test_all_who_wait_for_capacity_go_on_except_the_cancelled() -> None:
    async with Verifier(0) as verifier:
        verifier.submit_many([BAD] * 2 * CAPACITY_JOBS, lambda _: None)
        woken_at: list[int] = []

        async def wait() -> None:
            await verifier.wait_capacity()
            woken_at.append(verifier.unverified)

        async with asyncio.TaskGroup() as group:
            waiters = [group.create_task(wait()) for _ in range(3)]
            await asyncio.sleep(0)
            waiters[1].cancel()
        assert len(woken_at) == 2
        assert max(woken_at) <= CAPACITY_LOW_JOBS


async def test_close_lets_those_who_wait_for_capacity_go() -> None:
    verifier = Verifier(0)
    verifier.submit_many([BAD] * (CAPACITY_JOBS + 1), lambda _: None)
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(verifier.wait_capacity())
        await asyncio.sleep(0)
        await verifier.close()


async def test_more_jobs_than_the_verifier_accepts_are_refused() -> None:
    async with Verifier(0) as verifier:
        verifier.submit_many([BAD] * JOBS_MAX, lambda _: None)
        with pytest.raises(VerifierFull):
            verifier.submit_many([BAD], lambda _: None)
        assert verifier.unverified == JOBS_MAX


async def test_callback_that_fails_takes_no_answer_from_others() -> None:
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))

    def fail(_: bytes) -> None:
        raise RuntimeError("planted")

    async with Verifier(0) as verifier:
        verifier.submit_many(GOOD[:2], fail)
        assert await verifier.verify_many(GOOD[:3]) == b"\x01" * 3
    assert [str(error) for error in caught] == ["planted"]


@pytest.mark.parametrize("workers", [0, 1])
async def test_answer_for_a_cancelled_future_is_dropped(workers: int) -> None:
    async with Verifier(workers) as verifier:
        verifier.verify(GOOD[0]).cancel()
        verifier.verify_many(GOOD).cancel()
        assert await verifier.verify(GOOD[0])


async def test_workers_ignore_the_signals_of_the_terminal() -> None:
    async with Verifier(1) as verifier:
        await verifier.verify(BAD)
        (pid,) = verifier.pids
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert await verifier.verify(GOOD[0])
        assert verifier.pids == (pid,)
        assert os.getpgid(pid) != os.getpgid(0)


@pytest.mark.parametrize("busy", [True, False])
async def test_close_leaves_no_process(busy: bool) -> None:
    verifier = Verifier(2)
    await verifier.verify_many(GOOD * 40)
    pids = verifier.pids
    assert len(pids) == 2
    unanswered = [verifier.verify_many(GOOD * 200)] if busy else []
    await verifier.close()
    await verifier.close()
    assert not any(is_alive(pid) for pid in pids)
    await asyncio.wait_for(verifier.run(), 1)
    assert not any(future.done() for future in unanswered)


async def test_stopped_worker_is_killed_at_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier_module, "CLOSE_S", 0.1)
    verifier = Verifier(1)
    await verifier.verify(BAD)
    (pid,) = verifier.pids
    os.kill(pid, signal.SIGSTOP)
    await verifier.close()
    assert not is_alive(pid)


@pytest.mark.slow
def test_workers_end_when_the_node_is_killed() -> None:
    program = (
        "import asyncio\n"
        "from node.verifier import Verifier\n"
        "async def main():\n"
        "    verifier = Verifier(1)\n"
        "    await verifier.verify((0, b'', b'', b''))\n"
        "    print(*verifier.pids, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        assert is_alive(pid)
        node.kill()
    asyncio.run(until(lambda: not is_alive(pid)))


async def test_starting_a_worker_hardly_delays_the_loop() -> None:
    async with Verifier(1) as verifier:
        started = os.times()
        future = verifier.verify(GOOD[0])
        await asyncio.sleep(0.01)
        ended = os.times()
        assert verifier.pids
        assert ended.user + ended.system - started.user - started.system <= 0.05
        assert await future


async def test_uvloop_drives_the_workers_too() -> None:
    uvloop = pytest.importorskip("uvloop")
    program = (
        "import asyncio, uvloop\n"
        "from node.verifier import Verifier\n"
        "async def main():\n"
        "    async with Verifier(2) as verifier:\n"
        "        print(len(await verifier.verify_many([(0, b'', b'', b'')] * 1000)), len(verifier.pids))\n"
        "uvloop.run(main())\n"
    )
    assert uvloop is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output == b"1000 2\n"
    assert process.returncode == 0
