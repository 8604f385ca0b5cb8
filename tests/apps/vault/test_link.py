"""Calls go from the vault to a chain, each once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from apps.chain.errors import ClientError
from apps.vault.calls import parse_wish
from apps.vault.errors import Busy, WrongChain
from apps.vault.link import ChainLink
from apps.vault.obligations import Nearness, Obligation
from apps.vault.outbox import ATTEMPTS_MAX, Submission
from apps.vault.policy import Kind
from apps.vault.program import Watch
from apps.vault.vault import Vault
from runtime.primitives.types import Hash
from tests.apps.chain.fake_node import until
from tests.apps.chain.ledger import Ledger, connected_to
from tests.apps.vault.making import ALICE, BOB, DPO, KNOWS, REASON, SOMCHAI, open_vault
from tests.apps.vault.owing import NOW, Owing
from tests.support.chain import keypair

pytestmark = pytest.mark.net
SIGNER = keypair("//Alice")
FILE = parse_wish("file_kyc", {"country": "TH"})
ATTEST = parse_wish("attest_kyc", {"tier": "Basic", "expires_ms": 2**60})


@asynccontextmanager
async def linked(vault: Vault, ledger: Ledger) -> AsyncIterator[ChainLink]:
    with ThreadPoolExecutor(1) as executor:
        async with connected_to(ledger) as chain:
            yield ChainLink(vault, chain, SIGNER, executor)


def put(vault: Vault) -> None:
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI, wish=FILE)


def states(vault: Vault) -> dict[str, int]:
    with vault.reading():
        return vault.outbox.count()


async def end_while_sending(vault: Vault, ledger: Ledger) -> None:
    """Let a program end that has submitted a call and heard nothing more of it."""
    async with linked(vault, ledger) as link:
        sending = asyncio.gather(link.deliver())
        await until(lambda: bool(ledger.submitted))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_calls_are_sent_in_the_order_in_which_they_were_queued(vault: Vault) -> None:
    put(vault)
    vault.submit(KNOWS, REASON, ALICE, ATTEST)
    ledger = Ledger()
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 2
        assert await link.deliver() == 0
    assert states(vault) == {"done": 2}
    assert ledger.nonces() == [0, 1]


async def test_a_call_without_a_proof_is_done_all_the_same(vault: Vault) -> None:
    put(vault)
    ledger = Ledger()
    with capture_logs() as logs:
        async with linked(vault, ledger) as link:
            await link.deliver()
    assert [one["event"] for one in logs if one["event"] == "no_proof"] == ["no_proof"]
    assert ALICE.hex() not in str(logs)


async def test_a_process_that_ended_while_sending_sends_the_same_bytes_again(vault: Vault) -> None:
    put(vault)
    ledger = Ledger("hold")
    await end_while_sending(vault, ledger)
    assert states(vault) == {"signed": 1}
    ledger.script.clear()
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 1
    assert len(set(ledger.submitted)) == 1
    assert states(vault) == {"done": 1}


async def test_what_came_in_before_the_process_ended_is_found_and_not_sent_anew(vault: Vault) -> None:
    put(vault)
    vault.submit(KNOWS, REASON, ALICE, ATTEST)
    ledger = Ledger("hold")
    await end_while_sending(vault, ledger)
    ledger.add(ledger.submitted[0])
    ledger.script.extend([1013])
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 2
    assert ledger.nonces() == [0, 1]
    assert states(vault) == {"done": 2}


async def test_a_call_that_the_chain_refuses_has_failed_with_its_reason(vault: Vault) -> None:
    put(vault)
    ledger = Ledger("hold")
    async with linked(vault, ledger) as link:
        sending = asyncio.gather(link.deliver())
        await until(lambda: bool(ledger.submitted))
        ledger.failing.update(ledger.submitted)
        ledger.add(ledger.submitted[0])
        await ledger.say({"finalized": ledger.on_getFinalizedHead()})
        (delivered,) = await sending
        assert delivered == 0
    (failed,) = vault.outbox.failed()
    assert failed.failure == "Balances.InsufficientBalance"
    with vault.work():
        vault.outbox.retry(failed.id)
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 1


async def test_a_call_that_no_pool_takes_has_failed(vault: Vault) -> None:
    put(vault)
    async with linked(vault, Ledger(1010)) as link:
        assert await link.deliver() == 0
    assert states(vault) == {"failed": 1}


async def test_a_call_whose_arguments_do_not_fit_has_failed_and_the_next_one_goes_on(vault: Vault) -> None:
    wish = parse_wish("file_kyc", {"country": "Thailand"})
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI, wish=wish)
    put(vault)
    async with linked(vault, Ledger()) as link:
        assert await link.deliver() == 1
    assert states(vault) == {"done": 1, "failed": 1}


async def test_a_call_whose_era_passes_is_signed_anew_a_few_times(vault: Vault) -> None:
    put(vault)
    for attempt in range(ATTEMPTS_MAX):
        assert states(vault) == {"queued": 1}, attempt
        async with linked(vault, Ledger("leave_no_block")) as link:
            assert await link.deliver() == 0
    (failed,) = vault.outbox.failed()
    assert failed.failure == "Expired"


async def test_another_chain_gets_nothing(vault: Vault) -> None:
    put(vault)
    vault.bind_chain(Hash(b"other chain".ljust(32)))
    ledger = Ledger()
    async with linked(vault, ledger) as link:
        with pytest.raises(WrongChain):
            await link.deliver()
    assert ledger.submitted == []


async def test_a_record_that_is_erased_while_its_call_is_being_signed_is_not_sent(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(vault)
    vault.submit(KNOWS, REASON, ALICE, ATTEST)
    ledger = Ledger()
    async with linked(vault, ledger) as link:
        waiting = link._pending

        def look_and_erase() -> list[Submission]:
            found = waiting()
            vault.erase(DPO, REASON, ALICE)
            return found

        monkeypatch.setattr(link, "_pending", look_and_erase)
        assert await link.deliver() == 1
    assert ledger.nonces() == [0]  # of the call that names no record
    assert states(vault) == {"done": 1, "failed": 1}


async def test_a_call_without_the_event_that_it_should_have_is_done_all_the_same(vault: Vault) -> None:
    wish = parse_wish("issue_licence", {"kind": "Trading", "expires_ms": 2**60})
    vault.put(KNOWS, REASON, ALICE, Kind.LICENCE, SOMCHAI, wish=wish)
    async with linked(vault, Ledger()) as link:
        assert await link.deliver() == 1
    assert states(vault) == {"done": 1}


async def test_only_one_program_sends(vault: Vault) -> None:
    put(vault)
    ledger = Ledger()
    async with linked(vault, ledger) as link:
        with open_vault(vault.folder) as other, other.delivering(), pytest.raises(Busy):
            await link.deliver()
        assert ledger.submitted == []
        assert await link.deliver() == 1


async def test_what_another_account_has_signed_is_left_to_it(vault: Vault) -> None:
    put(vault)
    ledger = Ledger("hold")
    await end_while_sending(vault, ledger)
    with ThreadPoolExecutor(1) as executor:
        async with connected_to(ledger) as chain:
            assert await ChainLink(vault, chain, keypair("//Bob"), executor).deliver() == 0
    assert states(vault) == {"signed": 1}
    assert len(ledger.submitted) == 1


async def test_an_erasure_is_confirmed_with_the_vaults_signature(vault: Vault) -> None:
    put(vault)
    erasure = vault.erase(DPO, REASON, ALICE, 7)
    ledger = Owing()
    ledger.request(7, "Erase", NOW)
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 1
    assert erasure.tombstone.hex() in ledger.submitted[0]
    assert states(vault) == {"done": 1, "failed": 1}


@pytest.mark.parametrize("number", [7, 8], ids=["another's", "nobody's"])
async def test_a_request_of_another_account_is_neither_confirmed_nor_answered(
    vault: Vault, number: int
) -> None:
    ledger = Owing()
    ledger.request(7, "Erase", NOW, subject=BOB)
    vault.submit(DPO, REASON, ALICE, parse_wish("verify_dsr", {"request": number}))
    vault.submit(DPO, REASON, ALICE, parse_wish("refuse_dsr", {"request": number, "refusal": "Excessive"}))
    put(vault)
    vault.erase(DPO, REASON, ALICE, number)
    async with linked(vault, ledger) as link:
        assert await link.deliver() == 0
    assert ledger.submitted == []
    with vault.reading():
        reasons = [one.failure for one in vault.outbox.failed() if one.call != "file_kyc"]
    assert reasons == ["the request is another account's, or there is none of this number"] * 3


async def test_a_node_that_lies_about_a_proof_is_not_believed(vault: Vault) -> None:
    put(vault)
    ledger = Ledger()
    ledger.replies["getReadProof"] = {"at": "0x", "proof": ["0x0000"]}
    async with linked(vault, ledger) as link:
        with pytest.raises(ClientError):
            await link.deliver()
    assert states(vault) == {"signed": 1}  # it is found again when the node tells the truth


# --- the watch over deadlines


def owed(nearness: Nearness, number: str = "4") -> Obligation:
    return Obligation("erasure", number, "Erase", 5, 5, nearness, f"0x{ALICE.hex()}")


def test_each_deadline_is_told_once_when_near_and_once_when_late() -> None:
    watch = Watch()
    with capture_logs() as logs:
        for nearness in (Nearness.OPEN, Nearness.NEAR, Nearness.NEAR, Nearness.LATE, Nearness.LATE):
            watch.tell([owed(nearness)])
        watch.tell([])
        watch.tell([owed(Nearness.NEAR, "5")])
    told = [(one["log_level"], one["id"], one["nearness"]) for one in logs]
    assert told == [("warning", "4", "near"), ("error", "4", "late"), ("warning", "5", "near")]
    assert ALICE.hex() not in str(logs)
