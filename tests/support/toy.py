"""A toy runtime of two tiny pallets of its own, to show that a node runs whatever it is given."""

from runtime.frame.call import Call, call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    BadOrigin,
    DispatchClass,
    DispatchError,
    DispatchErrorValue,
    Origin,
    PalletError,
    PostDispatchInfo,
    Weight,
)
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder, RuntimeVersion
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.frame.storage import Value, storage
from runtime.frame.validity import ValidTransaction
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import Digest, DigestItem
from runtime.primitives.committee import rotate
from runtime.primitives.scale import u32
from runtime.primitives.types import Hash

VERSION = RuntimeVersion("toy", "toy", 1, 1, 0, (), 1, 1)
COUNT_WEIGHT = Weight(1_000, 0)


class Ledger(Pallet[None]):
    """The block's own records, as the executive needs them of some pallet."""

    number: Value[u32] = storage(default=0)
    digest: Value[Digest] = storage(default=Digest(()), bound="what the tests write")
    code: Value[u32 | None] = storage(raw_key=b":code")

    def call_filtered(self) -> DispatchError:
        return BadOrigin()

    def current_number(self) -> int:
        return self.number.get()

    def initialize(self, number: int, parent_hash: Hash, logs: tuple[DigestItem, ...]) -> None:
        del parent_hash
        self.number.put(number)
        self.digest.put(Digest(logs))

    def is_upgraded(self) -> int | None:
        return None

    def note_upgraded(self) -> None:
        """Nothing to record."""

    def register_weight(self, weight: Weight, dispatch_class: DispatchClass) -> None:
        """Weights are not counted."""

    def remaining_weight(self) -> Weight:
        return NO_WEIGHT

    def prepare_extrinsic(self, extrinsic: Extrinsic) -> None:
        """Every extrinsic fits."""

    def note_applied(self, info: object, post: PostDispatchInfo, error: DispatchErrorValue | None) -> None:
        """No verdict is deposited."""

    def finalize(self) -> tuple[DigestItem, ...]:
        return self.digest.get().logs


class Counter(Pallet[None]):
    """Counts, once for each unsigned extrinsic that asks for it."""

    total: Value[u32] = storage(default=0)

    class TooMuch(PalletError, index=0):
        """One step is at most a hundred."""

    @call(0, weight=COUNT_WEIGHT)
    def count(self, origin: Origin, step: u32) -> None:
        """Add a step to the total."""
        del origin
        self.total.put(self.total.get() + step)
        if step > 100:
            raise self.TooMuch

    def validate_unsigned(self, call: Call) -> ValidTransaction | None:
        """Anybody may count."""
        return ValidTransaction(provides=(call.encoded(),))

    def on_finalize(self, number: int) -> None:
        """A block in which the total is a multiple of 13 is forbidden."""
        if self.total.get() % 13 == 12:
            raise InvalidBlock(f"block {number} has an unlucky total")


def compose(state: State) -> RuntimeApi:
    """Return the runtime over a state."""
    build = RuntimeBuilder(state)
    ledger = build.add(Ledger, index=0, name="Ledger", config=None)
    build.add(Counter, index=1, name="Counter", config=None)
    return RuntimeApi(build.build(VERSION, ledger, ()), _Nobody(), ())


class _Nobody:
    leader = staticmethod(rotate)

    def authority_set(self) -> AuthoritySet:
        return AuthoritySet(0, ())
