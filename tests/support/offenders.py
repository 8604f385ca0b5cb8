"""Validators that break the protocol: statements signed for a chain, and evidence made of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from msgspec import structs

from genesis.consortium import (
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from pallets.core.offences import OnOffence
from pallets.core.session import SessionKeys
from runtime.primitives.certificate import STEP_COMMIT
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.evidence import Evidence, OffenceKind
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    UNSIGNED,
    Claim,
    Prepared,
    Vote,
    signed_bytes,
)
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import NAMED, Chain, block_hash, genesis_of

S = TypeVar("S", Vote, Claim)
ENDOWMENT = 10**15
HASHES = (Hash(b"\xaa" * 32), Hash(b"\xbb" * 32))


def pair(n: int) -> Keypair:
    return Keypair.from_seed(n.to_bytes(32, "big"), Scheme.ED25519)


def consortium(validators: Sequence[AccountId], on_offence: OnOffence = OnOffence.Act) -> Chain[Consortium]:
    """Return a chain whose validators vote with the pairs 0, 1, …"""
    genesis = replace(
        genesis_of(*((who, ENDOWMENT) for who in NAMED)),
        validators=tuple((who, SessionKeys(pair(n).public)) for n, who in enumerate(validators)),
        on_offence=on_offence,
    )
    parameters = ConsortiumParameters(has_sudo=True)
    return Chain(
        lambda state: compose(state, parameters, make_version()),
        lambda chain: write_genesis(chain, genesis),
    )


class Offender(NamedTuple):
    """A validator's key and place; what it signs is for one set and one instance."""

    key: Keypair
    place: int
    set_id: int = 0
    instance: int = 1
    genesis: Hash = block_hash(0)

    def vote(self, step: int, which: int = 0, view: int = 0) -> Vote:
        return self._signed(
            Vote(self.set_id, self.instance, self.instance, view, HASHES[which], step, self.place, UNSIGNED)
        )

    def claim(self, view: int, prepared_view: int | None = None) -> Claim:
        prepared = None if prepared_view is None else Prepared(prepared_view, self.instance, HASHES[0])
        return self._signed(Claim(self.set_id, self.instance, view, prepared, self.place, UNSIGNED))

    def evidence(self, kind: OffenceKind) -> Evidence:
        """Return a proof of an offence; out of turn is a proposal of view 1 below instance 3."""
        match kind:
            case OffenceKind.Equivocation:
                return Evidence(self.vote(STEP_PREPARE, 0), self.vote(STEP_PREPARE, 1))
            case OffenceKind.Amnesia:
                return Evidence(self.vote(STEP_COMMIT), self.claim(1))
            case OffenceKind.OutOfTurn:
                return Evidence(self.vote(STEP_PROPOSE), self.vote(STEP_PROPOSE))

    def _signed(self, statement: S) -> S:
        return structs.replace(statement, signature=self.key.sign(signed_bytes(self.genesis, statement)))
