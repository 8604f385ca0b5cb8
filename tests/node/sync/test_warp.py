"""A proof leads through every set of authorities to a block, or it is refused and nothing is believed."""

from collections.abc import Callable

import pytest
from msgspec import structs

from node.sync.warp import Fragment, InvalidFragment, OffTrustedBlock, WarpProof
from runtime.primitives.authority_set import Authority, AuthoritySet
from runtime.primitives.block import (
    DIGEST_ITEMS_MAX,
    Consensus,
    Digest,
    Header,
    PreRuntime,
    encode_header,
    hash_header,
)
from runtime.primitives.certificate import ENGINE_ID, Certificate, encode_certificate
from runtime.primitives.scale import codec
from tests.support.states import SETS, begin, certify_header, make_fragment, make_header
from tests.support.warping import changing_chain, fragment_at, genesis_set, list_set_changes


def test_sets_are_followed_from_one_to_the_next() -> None:
    proof = begin()
    first = proof.follow(make_fragment(make_header(5, SETS[1]), SETS[0]))
    assert (first.announces_set, first.header.number, proof.current) == (True, 5, SETS[1])
    proof.follow(make_fragment(make_header(9, SETS[2]), SETS[1], (1, 2, 3)))
    last = proof.follow(make_fragment(make_header(30), SETS[2]))
    assert (last.announces_set, last.header.number, proof.number, proof.current) == (False, 30, 9, SETS[2])


def test_set_may_be_skipped_when_its_block_made_none_final() -> None:
    proof = begin()
    proof.follow(make_fragment(make_header(5, SETS[3]), SETS[0]))
    assert proof.current == SETS[3]


HEADER = make_header(9, SETS[2])
GOOD = certify_header(HEADER, SETS[1])


def with_certificate(certificate: Certificate, header: Header = HEADER) -> Fragment:
    return Fragment(encode_header(header), encode_certificate(certificate))


def announcing(following: bytes) -> Fragment:
    header = make_header(9, None, bytes(32), Consensus(ENGINE_ID, following))
    return make_fragment(header, SETS[1])


def encode_set(set_id: int, authorities: tuple[Authority, ...]) -> bytes:
    return codec(AuthoritySet).encode(AuthoritySet(set_id, authorities))


LIES: dict[str, Callable[[], Fragment]] = {
    "a vote too few": lambda: make_fragment(HEADER, SETS[1], (0, 1)),
    "no vote": lambda: make_fragment(HEADER, SETS[1], ()),
    "the set before": lambda: make_fragment(HEADER, SETS[0]),
    "the set after": lambda: make_fragment(HEADER, SETS[2]),
    "the set before under this one's number": lambda: with_certificate(
        structs.replace(certify_header(HEADER, structs.replace(SETS[0], set_id=1)), set_id=1)
    ),
    "another block": lambda: with_certificate(certify_header(make_header(9), SETS[1])),
    "another block's hash": lambda: with_certificate(structs.replace(GOOD, block_hash=bytes(32))),
    "another number": lambda: with_certificate(structs.replace(GOOD, number=8)),
    "another instance": lambda: with_certificate(structs.replace(GOOD, instance=8)),
    "another view": lambda: with_certificate(structs.replace(GOOD, view=1)),
    "a vote twice": lambda: with_certificate(structs.replace(GOOD, votes=(GOOD.votes[0],) * 3)),
    "a signature for another": lambda: with_certificate(
        structs.replace(GOOD, votes=tuple(structs.replace(v, index=v.index + 1) for v in GOOD.votes))
    ),
    "the block known already": lambda: make_fragment(make_header(5), SETS[1]),
    "a block below": lambda: make_fragment(make_header(4), SETS[1]),
    "no header": lambda: Fragment(b"\1\2\3", encode_certificate(GOOD)),
    "no certificate": lambda: Fragment(encode_header(HEADER), b"\1\2\3"),
    "a byte more": lambda: Fragment(encode_header(HEADER) + b"\0", encode_certificate(GOOD)),
    "a digest too large": lambda: make_fragment(
        structs.replace(HEADER, digest=Digest((PreRuntime(b"TIME", b""),) * (DIGEST_ITEMS_MAX + 1))), SETS[1]
    ),
    "a set that cannot be decoded": lambda: announcing(b"\1\2\3"),
    "an empty set": lambda: announcing(encode_set(2, ())),
    "a set of the same number": lambda: announcing(encode_set(1, SETS[2].authorities)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_no_set_has_certified_is_refused_and_changes_nothing(lie: Callable[[], Fragment]) -> None:
    proof = begin(5, SETS[1])
    with pytest.raises(InvalidFragment):
        proof.follow(lie())
    assert (proof.number, proof.current) == (5, SETS[1])
    proof.follow(with_certificate(GOOD))
    assert proof.current == SETS[2]


def test_set_that_is_left_out_is_missed() -> None:
    proof = begin()
    with pytest.raises(InvalidFragment):
        proof.follow(make_fragment(make_header(9, SETS[2]), SETS[1]))


def test_certificate_of_another_chain_is_refused() -> None:
    fragment = make_fragment(make_header(5, SETS[1]), SETS[0])
    with pytest.raises(InvalidFragment):
        WarpProof(b"\6" * 32, 0, SETS[0]).follow(fragment)  # type: ignore[arg-type]  # it is a hash


def test_trusted_block_has_to_come_in_its_place() -> None:
    header = make_header(9, SETS[2])
    trusted = hash_header(header)
    first, then = make_fragment(make_header(5, SETS[1]), SETS[0]), make_fragment(header, SETS[1])
    proof = begin(trusted=(9, trusted))
    proof.follow(first)
    passed = [proof.is_past_trusted]
    for other in (make_fragment(make_header(10), SETS[1]), make_fragment(make_header(9), SETS[1])):
        with pytest.raises(OffTrustedBlock):
            proof.follow(other)
    assert (proof.number, proof.current) == (5, SETS[1])
    proof.follow(then)
    passed.append(proof.is_past_trusted)
    assert passed == [False, True]
    proof.follow(make_fragment(make_header(10), SETS[2]))
    again = proof.begin_anew()
    assert (again.number, again.current, again.is_past_trusted) == (0, SETS[0], False)
    silent = begin(trusted=(5, hash_header(make_header(5))))
    with pytest.raises(OffTrustedBlock, match="announces"):
        silent.follow(make_fragment(make_header(5), SETS[0]))
    assert begin().is_past_trusted


async def test_what_a_chain_lists_of_itself_is_such_a_proof() -> None:
    chain = await changing_chain(12, (3, 4, 8))
    changes = list_set_changes(chain)
    proof = WarpProof(chain.genesis_hash, 0, genesis_set(chain))
    for number in (*changes, 12):
        assert proof.follow(fragment_at(chain, number)).announces_set is (number != 12)
    with chain.runtime_at(chain.finalized.hash) as api:
        assert proof.current == api.authority_set()
    assert (proof.current.set_id, len(proof.current.authorities)) == (3, 7)
    chain.store.close()
