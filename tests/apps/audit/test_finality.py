"""What is final is shown by certificates alone: of genesis' authorities, then of those that headers
announce."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apps.audit.errors import Differs, Unchecked
from apps.audit.finality import (
    ensure_certified,
    read_proof,
    time_of,
)
from apps.audit.witness import Trust, Witness
from apps.chain.client import BlockRef
from apps.chain.errors import AnswerError
from node.rpc.groups.context import header_json
from runtime.primitives.authority_set import Authority, AuthoritySet, announce
from runtime.primitives.block import (
    Digest,
    DigestItem,
    Header,
    PreRuntime,
    encode_header,
    hash_header,
)
from runtime.primitives.certificate import (
    STEP_COMMIT,
    Certificate,
    IndexedVote,
    encode_certificate,
    vote_message,
)
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import ZERO_HASH, Hash

GENESIS = Hash(b"\x09" * 32)
SETS = tuple(
    tuple(Keypair.from_uri(f"//{number}{name}", Scheme.ED25519) for name in "abcd") for number in range(3)
)
"""Three sets of four."""
CHANGES = {4: 1, 9: 2}
"""The blocks that announce the second and third set."""
LAST = 12


def set_of(number: int) -> AuthoritySet:
    return AuthoritySet(number, tuple(Authority(pair.public, 1) for pair in SETS[number]))


def make_headers(changes: Mapping[int, int | AuthoritySet] = CHANGES) -> list[Header]:
    """Return headers of which some announce a set: one of those above, or another."""
    headers: list[Header] = []
    for number in range(LAST + 1):
        logs: tuple[DigestItem, ...] = (PreRuntime(b"TIME", (1_000 * number).to_bytes(8, "little")),)
        if number in changes:
            announced = changes[number]
            logs = (*logs, announce(set_of(announced) if isinstance(announced, int) else announced))
        parent = hash_header(headers[-1]) if headers else ZERO_HASH
        headers.append(Header(parent, number, ZERO_HASH, ZERO_HASH, Digest(logs)))
    return headers


def set_for(number: int) -> int:
    return sum(number > change for change in CHANGES)


def certify(header: Header, number: int, voters: Sequence[int] = (0, 1, 2)) -> Certificate:
    """Return a certificate of the set of a number."""
    block = hash_header(header)
    ballot = Certificate(number, header.number, header.number, 0, block, ())
    message = vote_message(GENESIS, ballot, STEP_COMMIT)
    votes = tuple(IndexedVote(index, SETS[number][index].sign(message)) for index in voters)
    return Certificate(number, header.number, header.number, 0, block, votes)


def proof_json(certificate: Certificate, headers: Sequence[Header]) -> dict[str, Any]:
    return {
        "certificate": "0x" + encode_certificate(certificate).hex(),
        "headers": ["0x" + encode_header(one).hex() for one in headers],
    }


class FakeChain:
    """Answers what a witness asks about finality; a test may change `proofs`."""

    def __init__(self, headers: list[Header]) -> None:
        self.headers = headers
        self.genesis = GENESIS
        self.connection = self
        self.proofs = {
            number: proof_json(
                certify(headers[max(number, 1)], set_for(number)), headers[number : max(number, 1) + 1]
            )
            for number in range(LAST + 1)
        }
        self.asked = 0

    async def request(self, method: str, *params: Any) -> Any:
        self.asked += 1
        if method == "chain_proveFinality":
            return self.proofs.get(params[0])
        assert method == "chain_getHeader"
        found = [one for one in self.headers if "0x" + hash_header(one).hex() == params[0]]
        return header_json(found[0]) if found else None

    async def finalized(self) -> BlockRef:
        return BlockRef(len(self.headers) - 1, hash_header(self.headers[-1]))

    async def block_hash(self, number: int) -> Hash | None:
        return hash_header(self.headers[number]) if number < len(self.headers) else None


def witness_of(chain: FakeChain, trust: Trust | None = None) -> Witness:
    trust = Trust(GENESIS, set_of(0)) if trust is None else trust
    return Witness(chain, trust, proves_events=False)  # type: ignore[arg-type]  # it asks no more than that


async def headers_of(witness: Witness, first: int, last: int) -> list[Header]:
    return [one async for page in witness.headers(first, last) for one in page]


@pytest.mark.parametrize("number", range(LAST + 1))
async def test_every_block_is_shown_to_be_final_through_the_changes_of_sets(number: int) -> None:
    chain = FakeChain(make_headers())
    assert await witness_of(chain).anchor(number) == chain.headers[number]


async def test_headers_are_those_of_the_final_chain() -> None:
    chain = FakeChain(make_headers())
    assert await headers_of(witness_of(chain), 2, LAST) == chain.headers[2:]
    assert await headers_of(witness_of(chain), LAST, LAST) == chain.headers[LAST:]


@pytest.mark.parametrize("voters", [(), (0, 1)])
async def test_fewer_than_a_quorum_show_nothing(voters: tuple[int, ...]) -> None:
    chain = FakeChain(make_headers())
    chain.proofs[2] = proof_json(certify(chain.headers[2], 0, voters), chain.headers[2:3])
    with pytest.raises(Differs, match="block 2 is not final"):
        await witness_of(chain).anchor(2)


async def test_a_forged_signature_shows_nothing() -> None:
    chain = FakeChain(make_headers())
    right = certify(chain.headers[2], 0)
    votes = (*right.votes[:2], IndexedVote(2, bytes(64)))
    forged = Certificate(0, 2, 2, 0, right.block_hash, votes)
    chain.proofs[2] = proof_json(forged, chain.headers[2:3])
    with pytest.raises(Differs, match="signature of authority 2 is wrong"):
        await witness_of(chain).anchor(2)


async def test_a_set_that_no_header_announces_certifies_nothing() -> None:
    """The node has a chain whose second set it made up: nobody of the first has signed for the change."""
    chain = FakeChain(make_headers({9: 2}))
    with pytest.raises(Differs, match="announces no authorities"):
        await witness_of(chain).anchor(LAST)


async def test_a_change_of_sets_that_the_set_before_did_not_certify_is_none() -> None:
    """Strangers announce themselves and certify what follows, as well as their own announcement."""
    chain = FakeChain(make_headers())
    block = hash_header(chain.headers[4])
    ballot = Certificate(0, 4, 4, 0, block, ())
    message = vote_message(GENESIS, ballot, STEP_COMMIT)
    votes = tuple(IndexedVote(index, SETS[1][index].sign(message)) for index in range(4))
    chain.proofs[4] = proof_json(Certificate(0, 4, 4, 0, block, votes), chain.headers[4:5])
    with pytest.raises(Differs, match="block 4 is not final"):
        await witness_of(chain).anchor(LAST)


async def test_a_set_that_is_announced_follows_the_one_before_and_has_members() -> None:
    for announced in (AuthoritySet(1, ()), set_of(0)):
        headers = make_headers({4: announced})
        with pytest.raises(Differs, match="block 4 announces no authorities"):
            await witness_of(FakeChain(headers)).anchor(LAST)


async def test_an_old_set_certifies_nothing_after_its_end() -> None:
    chain = FakeChain(make_headers())
    witness = witness_of(chain)
    await witness.anchor(LAST)
    chain.proofs[6] = proof_json(certify(chain.headers[6], 0), chain.headers[6:7])
    with pytest.raises(Differs, match="certificate of set 0, not of 1"):
        await witness.anchor(6)


async def test_a_certificate_for_another_block_or_chain_shows_nothing() -> None:
    chain = FakeChain(make_headers())
    chain.proofs[2] = proof_json(certify(chain.headers[3], 0), chain.headers[2:3])
    with pytest.raises(Differs, match="is for another block"):
        await witness_of(chain).anchor(2)
    chain.proofs[2] = chain.proofs[3]
    with pytest.raises(Differs, match="proof for block 2 is for another block"):
        await witness_of(chain).anchor(2)


async def test_headers_that_do_not_follow_each_other_are_found() -> None:
    chain = FakeChain(make_headers())
    other = make_headers()[5]
    chain.headers[5] = Header(other.parent_hash, 5, Hash(b"\1" * 32), ZERO_HASH, other.digest)
    with pytest.raises(Differs, match="header of block 6 does not follow that of block 5"):
        await headers_of(witness_of(chain), 2, LAST)


async def test_a_chain_of_headers_that_is_not_the_certified_one_is_found_at_its_end() -> None:
    chain = FakeChain(make_headers())
    right = chain.headers
    chain.headers = make_headers({})
    chain.proofs[3] = proof_json(certify(right[3], 0), right[3:4])
    chain.headers[3] = Header(chain.headers[3].parent_hash, 3, Hash(b"\1" * 32), ZERO_HASH, Digest(()))
    with pytest.raises(Differs, match="not those of the final chain"):
        await headers_of(witness_of(chain), 1, 3)


async def test_a_node_of_another_chain_is_refused_at_once() -> None:
    with pytest.raises(Differs, match="another chain"):
        witness_of(FakeChain(make_headers()), Trust(Hash(bytes(32)), set_of(0)))


async def test_what_is_not_final_yet_cannot_be_checked() -> None:
    chain = FakeChain(make_headers())
    chain.proofs.pop(LAST)
    with pytest.raises(Unchecked, match="does not show that block 12 is final"):
        await witness_of(chain).anchor(LAST)
    with pytest.raises(Unchecked, match="not final yet"):
        await witness_of(chain, Trust()).anchor(LAST + 1)


# --- against a block that the auditor names


def trust_in(number: int, block: Header) -> Trust:
    return Trust(block=(number, hash_header(block)))


async def test_what_leads_to_a_named_block_needs_no_certificate() -> None:
    chain = FakeChain(make_headers())
    chain.proofs.clear()
    witness = witness_of(chain, trust_in(10, chain.headers[10]))
    assert await witness.finalized() == chain.headers[10]
    assert await headers_of(witness, 3, 8) == chain.headers[3:9]
    with pytest.raises(Unchecked, match="above the block that you named"):
        await witness.anchor(11)


async def test_what_does_not_lead_to_a_named_block_is_refused() -> None:
    chain = FakeChain(make_headers())
    witness = witness_of(chain, trust_in(10, make_headers({})[10]))
    with pytest.raises(Differs, match="block 10 is not 0x"):
        await headers_of(witness, 3, 8)


async def test_a_past_that_the_named_block_does_not_descend_from_is_refused() -> None:
    chain = FakeChain(make_headers())
    witness = witness_of(chain, trust_in(10, chain.headers[10]))
    chain.headers = [*make_headers({2: 1})[:6], *chain.headers[6:]]
    with pytest.raises(Differs, match="header of block 6 does not follow that of block 5"):
        await headers_of(witness, 3, 5)


# --- bytes


def test_time_is_that_of_the_header() -> None:
    assert [time_of(one) for one in make_headers()[:3]] == [0, 1_000, 2_000]
    assert time_of(Header(ZERO_HASH, 0, ZERO_HASH, ZERO_HASH, Digest(()))) == 0
    short = Digest((PreRuntime(b"TIME", b"\1"),))
    assert time_of(Header(ZERO_HASH, 0, ZERO_HASH, ZERO_HASH, short)) == 0


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"certificate": "0x", "headers": []}, {"certificate": "0x00", "headers": ["0x00"]}, 7],
)
def test_what_is_no_proof_is_refused(answer: Any) -> None:
    with pytest.raises(AnswerError):
        read_proof(answer)


def test_a_proof_needs_headers_that_are_linked() -> None:
    headers = make_headers()
    certificate = certify(headers[3], 0)
    with pytest.raises(AnswerError):
        read_proof(proof_json(certificate, []))
    with pytest.raises(Differs):
        read_proof(proof_json(certificate, [headers[1], headers[3]]))
    proof = read_proof(proof_json(certificate, headers[1:4]))
    ensure_certified(GENESIS, proof, set_of(0))


def test_a_proof_with_a_digest_beyond_every_block_s_is_refused() -> None:
    log = PreRuntime(b"TIME", bytes(8))
    header = Header(ZERO_HASH, 1, ZERO_HASH, ZERO_HASH, Digest((log,) * 17))
    with pytest.raises(AnswerError):
        read_proof(proof_json(certify(header, 0), [header]))
