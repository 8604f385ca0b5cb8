"""System: accounts with reference counts, block records, events, weights, and the extensions that guard a
block.

Responsible for everything Substrate keeps in `frame_system`: it opens and closes blocks for the executive
and counts what extrinsics use. It knows no other pallet. Storage layout, events and call indices are
frame_system's.

Weights and lengths of the open block are plain attributes, reset by `initialize`: an extrinsic that is
refused has not changed them, and a failed call has used its weight all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pallets.core import weights
from pallets.core.system_types import (
    CODE_MAGIC,
    BlockLength,
    BlockWeights,
    DbWeight,
    LastUpgrade,
    PerClassWeight,
    RuntimeCode,
)
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.call import call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    ConsumerRemainingValue,
    DispatchClass,
    DispatchError,
    DispatchErrorValue,
    DispatchInfo,
    NoProvidersValue,
    Origin,
    Pays,
    PostDispatchInfo,
    TooManyConsumersValue,
    Weight,
    ensure_signed,
)
from runtime.frame.dispatch import PalletError as Error
from runtime.frame.event import INITIALIZATION, Event, EventRecords
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.pallet import Binding, Pallet, constant, named_constant
from runtime.frame.runtime import RuntimeVersion
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, Map, Value, storage
from runtime.frame.validity import InvalidReason, InvalidTransaction, ValidTransaction
from runtime.primitives.block import Digest, DigestItem, RuntimeEnvironmentUpdated
from runtime.primitives.era import Era
from runtime.primitives.extrinsic import EraShape
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import Compact, MaxLen, u16, u32
from runtime.primitives.types import ZERO_HASH, AccountId, Hash

EraValue: TypeAlias = Annotated[Era, EraShape]
REMARK_BYTES_MAX = 4 * 1024 * 1024
EVENTS_AT_ONCE = 256
"""Events encoded together while a block is executed, some 0.3 ms."""
NONCE_MAX = (1 << 32) - 1
"""The nonce that nobody uses: there is none after it."""
CONSUMERS_MAX = 128
"""Upper bound of consumer references, as frame_support::ConstU32<128> in Substrate's runtimes."""


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """Limits and identity of a chain; `block_hash_count` is a power of two of at least 512 for wallets'
    eras."""

    version: RuntimeVersion
    limits: tuple[BlockWeights, BlockLength]
    block_hash_count: int = 4096
    ss58_prefix: int = 42
    db_weight: DbWeight = field(default_factory=lambda: DbWeight(weights.DB_READ, weights.DB_WRITE))


class System(Pallet[SystemConfig]):
    """Accounts, block records and events of the chain."""

    account: Map[AccountId, AccountInfo] = storage(
        BLAKE2_128_CONCAT,
        default=AccountInfo(),
        docs="The full account information for a particular account ID.",
    )
    block_weight: Value[PerClassWeight] = storage(
        default=PerClassWeight(NO_WEIGHT, NO_WEIGHT, NO_WEIGHT), docs="The weight used by the current block."
    )
    block_hash: Map[u32, Hash] = storage(
        TWOX_64_CONCAT, default=ZERO_HASH, docs="Hashes of the latest blocks by number."
    )
    number: Value[u32] = storage(default=0, docs="The number of the current block.")
    parent_hash: Value[Hash] = storage(default=ZERO_HASH, docs="Hash of the previous block.")
    digest: Value[Digest] = storage(
        default=Digest(()), docs="Digest of the current block.", bound="one item of each engine"
    )
    events: Value[EventRecords] = storage(default=(), docs="Events deposited in the current block.")
    event_count: Value[u32] = storage(default=0, docs="The number of events in `Events`.")
    last_runtime_upgrade: Value[LastUpgrade | None] = storage(
        docs="The version and name of the runtime that last ran its migrations.",
        bound="a name that the program gives itself",
    )
    code: Value[RuntimeCode | None] = storage(raw_key=b":code")

    class ExtrinsicSuccess(Event, index=0):
        """An extrinsic completed successfully."""

        dispatch_info: DispatchInfo

    class ExtrinsicFailed(Event, index=1):
        """An extrinsic failed; its changes were undone, its fee was charged."""

        dispatch_error: DispatchErrorValue
        dispatch_info: DispatchInfo

    class CodeUpdated(Event, index=2):
        """A new runtime version takes over from the next block."""

    class NewAccount(Event, index=3):
        """A new account was created."""

        account: AccountId

    class KilledAccount(Event, index=4):
        """An account was reaped."""

        account: AccountId

    class Remarked(Event, index=5):
        """A remark was made on chain; `hash` is the blake2b-256 of its bytes."""

        sender: AccountId
        hash: Hash

    class InvalidSpecName(Error, index=0):
        """The name of the new runtime is not that of this chain."""

    class SpecVersionNeedsToIncrease(Error, index=1):
        """The new runtime's version is not above the current one."""

    class FailedToExtractRuntimeVersion(Error, index=2):
        """The new runtime's version cannot be read."""

    class NonDefaultComposite(Error, index=3):
        """The account still holds data."""

    class NonZeroRefCount(Error, index=4):
        """The account is still referred to."""

    class CallFiltered(Error, index=5):
        """This chain does not allow the call."""

    def __init__(self, binding: Binding, config: SystemConfig) -> None:
        super().__init__(binding, config)
        self.event_table = binding.events
        self._encoded_count = 0
        self._length = 0
        self._length_next = 0
        nothing = DispatchInfo(NO_WEIGHT, DispatchClass.Mandatory, Pays.Yes)
        self._last_report = (nothing, nothing.weight, nothing.pays_fee, nothing)
        self._reset()

    # --- constants

    @constant
    def block_weights(self) -> BlockWeights:
        """Block and extrinsic weights: base values and limits."""
        return self.config.limits[0]

    @constant
    def block_length(self) -> BlockLength:
        """The maximum length of a block in bytes."""
        return self.config.limits[1]

    @constant
    def block_hash_count(self) -> u32:
        """How many recent block hashes are kept; the longest era that can be checked."""
        return self.config.block_hash_count

    @constant
    def db_weight(self) -> DbWeight:
        """The weight of one storage read and one storage write."""
        return self.config.db_weight

    @constant
    def version(self) -> RuntimeVersion:
        """The runtime's version."""
        return self.config.version

    @named_constant("SS58Prefix")
    def ss58_prefix(self) -> u16:
        """The SS58 address prefix of this chain."""
        return self.config.ss58_prefix

    # --- block life, for the executive

    def genesis(self) -> None:
        """Write what the first block starts from: the code, its version, and the hash slot of block 0."""
        version = self.config.version
        self.code.put(RuntimeCode(CODE_MAGIC, version.spec_name, version.spec_version))
        self.last_runtime_upgrade.put(LastUpgrade(version.spec_version, version.spec_name))
        self._reset()

    def call_filtered(self) -> DispatchError:
        """Return the error of a call that the chain or its origin does not allow."""
        return self.CallFiltered()

    def current_number(self) -> int:
        """Return the number of the block that the state stands on or in."""
        return self.number.get()

    def initialize(self, number: int, parent_hash: Hash, logs: tuple[DigestItem, ...]) -> None:
        """Open block `number` on its parent with the pre-runtime digest items."""
        self._reset()
        self.phases.current = INITIALIZATION
        self.number.put(number)
        self.parent_hash.put(parent_hash)
        self.digest.put(Digest(logs))
        self.block_hash.put(number - 1, parent_hash)
        expired = number - 1 - self.config.block_hash_count
        if expired > 0:
            self.block_hash.remove(expired)

    def is_upgraded(self) -> int | None:
        """Return the spec version whose data this runtime's migrations must convert, None when there is
        nothing."""
        last = self.last_runtime_upgrade.get()
        assert last is not None, "genesis sets the version"
        return last.spec_version if last.spec_version < self.config.version.spec_version else None

    def note_upgraded(self) -> None:
        """Record that the current version's migrations have run."""
        version = self.config.version
        self.last_runtime_upgrade.put(LastUpgrade(version.spec_version, version.spec_name))

    def finalize(self) -> tuple[DigestItem, ...]:
        """Write the block's events and weights; return the digest without seals."""
        self._encode_events()
        records = tuple(self.state.events)
        self.events.put(self.event_table.seal(records, self._encoded))
        self.event_count.put(len(records))
        used = [Weight(*pair) for pair in self._used]
        self.block_weight.put(PerClassWeight(*used))
        return self.digest.get().logs

    def deposit_log(self, item: DigestItem) -> None:
        """Add an item to the block's digest."""
        self.digest.put(Digest((*self.digest.get().logs, item)))

    def spec_version(self) -> int:
        """Return the version of this runtime."""
        return self.config.version.spec_version

    def set_code(self, spec_version: int) -> None:
        """Let another version of this chain's runtime take over from the next block."""
        version = self.config.version
        if spec_version <= version.spec_version:
            raise self.SpecVersionNeedsToIncrease
        self.code.put(RuntimeCode(CODE_MAGIC, version.spec_name, spec_version))
        self.deposit_log(RuntimeEnvironmentUpdated())
        self.deposit(self.CodeUpdated())

    # --- weight and length

    def register_weight(self, weight: Weight, dispatch_class: DispatchClass) -> None:
        """Count weight that hooks used."""
        self._count(dispatch_class, weight.ref_time, weight.proof_size)

    def remaining_weight(self) -> Weight:
        """Return what the block may still use in all classes together."""
        return self.config.limits[0].max_block.minus(Weight(*self._total))

    def prepare_extrinsic(self, extrinsic: Extrinsic) -> None:
        """Refuse an extrinsic that the block cannot take, with ExhaustsResources.

        It is counted by `note_applied`, so that one refused by a later check leaves no trace in the block.
        """
        info = extrinsic.info
        class_, weight = info.class_, info.weight
        length = self._length + len(extrinsic.data)
        if length > self._length_max[class_]:
            raise InvalidTransaction(InvalidReason.ExhaustsResources)
        base = self._base[class_]
        if class_ is not DispatchClass.Mandatory and not self._has_room(
            class_, weight.ref_time + base.ref_time, weight.proof_size + base.proof_size
        ):
            raise InvalidTransaction(InvalidReason.ExhaustsResources)
        self._length_next = length

    def note_applied(
        self, info: DispatchInfo, post: PostDispatchInfo, error: DispatchErrorValue | None
    ) -> None:
        """Count the length of the prepared extrinsic and the weight it used; deposit the verdict event."""
        actual = info.weight
        if post.actual_weight is not None and post.actual_weight.fits(actual):
            actual = post.actual_weight
        base = self._base[info.class_]
        self._count(info.class_, actual.ref_time + base.ref_time, actual.proof_size + base.proof_size)
        self._length = self._length_next
        reported = self._report(info, actual, post.pays_fee)
        if error is None:
            self.deposit(self.ExtrinsicSuccess(reported))
        else:
            self.deposit(self.ExtrinsicFailed(error, reported))
        if len(self.state.events) - self._encoded_count >= EVENTS_AT_ONCE:
            self._encode_events()

    def _encode_events(self) -> None:
        """Encode the events deposited since the last time, so that sealing the block has less to do."""
        recorded = self.state.events
        if self._encoded_count < len(recorded):
            self._encoded.append(self.event_table.encode_each(recorded[self._encoded_count :]))
            self._encoded_count = len(recorded)

    def _report(self, info: DispatchInfo, actual: Weight, pays_fee: Pays) -> DispatchInfo:
        """Return what the verdict event says; neighbours of the same call share one record."""
        declared, used, paid, reported = self._last_report
        if info is declared and actual is used and pays_fee is paid:
            return reported
        pays = Pays.No if Pays.No in {info.pays_fee, pays_fee} else Pays.Yes
        reported = DispatchInfo(actual.plus(self._base[info.class_]), info.class_, pays)
        self._last_report = (info, actual, pays_fee, reported)
        return reported

    def _count(self, dispatch_class: DispatchClass, ref_time: int, proof_size: int) -> None:
        """Add to the weight used by a class and in all."""
        used, total = self._used[dispatch_class], self._total
        used[0] += ref_time
        used[1] += proof_size
        total[0] += ref_time
        total[1] += proof_size

    # --- accounts, for other pallets

    def get_account(self, who: AccountId) -> AccountInfo:
        """Return the record, the default one when the account does not exist."""
        return self.account.get(who)

    def all_accounts(self) -> Iterator[tuple[AccountId, AccountInfo]]:
        """Yield every account in raw key order."""
        return self.account.items()

    def base_extrinsic(self, dispatch_class: DispatchClass) -> Weight:
        """Return the base weight of an extrinsic of a class."""
        return self._base[dispatch_class]

    def max_block(self) -> Weight:
        """Return what a block can take in all classes together."""
        return self._max_block

    def normal_fullness(self) -> tuple[int, int]:
        """Return (used, available) reference time of normal extrinsics in the open block."""
        limit = self._limits[DispatchClass.Normal].max_total
        assert limit is not None
        return self._used[DispatchClass.Normal][0], limit.ref_time

    def put_data(self, who: AccountId, data: AccountData) -> None:
        """Replace the balances of an account."""
        self.replace_data(who, self.account.get(who), data)

    def replace_data(self, who: AccountId, info: AccountInfo, data: AccountData) -> None:
        """Replace the balances of an account whose record is known to be `info`."""
        self.account.write(
            who, AccountInfo(info.nonce, info.consumers, info.providers, info.sufficients, data)
        )

    def exists(self, who: AccountId) -> bool:
        """Tell whether the account exists."""
        return self.account.contains(who)

    def inc_providers(self, who: AccountId) -> None:
        """Add a reason for the account to exist; the first creates it."""
        info = self.account.get(who)
        self._put_counts(who, info, providers=info.providers + 1)
        if info.providers == 0 and info.sufficients == 0:
            self.deposit(self.NewAccount(who))

    def dec_providers(self, who: AccountId) -> None:
        """Drop a reason to exist; the last one reaps the account, or fails with ConsumerRemaining."""
        info = self.account.get(who)
        if info.consumers > 0 and info.providers <= 1:
            raise DispatchError(ConsumerRemainingValue())
        if info.providers > 1 or info.sufficients > 0:
            self._put_counts(who, info, providers=max(0, info.providers - 1))
        else:
            self._reap(who)

    def can_dec_provider(self, who: AccountId) -> bool:
        """Tell whether `dec_providers` would succeed."""
        info = self.account.get(who)
        return info.consumers == 0 or info.providers > 1

    def inc_consumers(self, who: AccountId) -> None:
        """Add a reason for the account to stay; fails with NoProviders or TooManyConsumers."""
        info = self.account.get(who)
        if info.providers == 0:
            raise DispatchError(NoProvidersValue())
        if info.consumers >= CONSUMERS_MAX:
            raise DispatchError(TooManyConsumersValue())
        self._put_counts(who, info, consumers=info.consumers + 1)

    def can_accrue_consumers(self, who: AccountId, count: int) -> bool:
        """Tell whether `inc_consumers` would succeed as many times in a row."""
        info = self.account.get(who)
        return info.providers > 0 and info.consumers + count <= CONSUMERS_MAX

    def dec_consumers(self, who: AccountId) -> None:
        """Drop a reason to stay."""
        info = self.account.get(who)
        self._put_counts(who, info, consumers=max(0, info.consumers - 1))

    def inc_sufficients(self, who: AccountId) -> None:
        """Add a self-sufficient reason to exist."""
        info = self.account.get(who)
        self._put_counts(who, info, sufficients=info.sufficients + 1)
        if info.providers == 0 and info.sufficients == 0:
            self.deposit(self.NewAccount(who))

    def dec_sufficients(self, who: AccountId) -> None:
        """Drop a self-sufficient reason to exist; the last reason of all reaps the account."""
        info = self.account.get(who)
        if info.sufficients > 1 or info.providers > 0:
            self._put_counts(who, info, sufficients=max(0, info.sufficients - 1))
        else:
            self._reap(who)

    # --- extensions

    def extensions(self) -> tuple[Extension, ...]:
        """Return the extensions of this pallet in the order that wallets expect."""
        version = self.config.version
        spec = version.spec_version.to_bytes(4, "little")
        transaction = version.transaction_version.to_bytes(4, "little")
        return (
            Extension("CheckNonZeroSender", validate=self._validate_sender, prepare=self._validate_sender),
            Extension("CheckSpecVersion", additional=u32, implied=spec),
            Extension("CheckTxVersion", additional=u32, implied=transaction),
            Extension("CheckGenesis", additional=Hash, implied=lambda _i, _x: self.block_hash.get(0)),
            Extension(
                "CheckMortality",
                extra=EraValue,
                additional=Hash,
                implied=self._birth_hash,
                validate=self._validate_mortality,
            ),
            Extension(
                "CheckNonce", extra=Compact[u32], validate=self._validate_nonce, prepare=self._prepare_nonce
            ),
            Extension("CheckWeight", validate=self._validate_weight, prepare=self._prepare_weight),
        )

    # --- calls

    def _remark_weight(self, remark: bytes) -> Weight:
        return weights.SYSTEM_REMARK.plus(weights.SYSTEM_REMARK_PER_BYTE.times(len(remark)))

    def _remark_with_event_weight(self, remark: bytes) -> Weight:
        return weights.SYSTEM_REMARK_WITH_EVENT.plus(
            weights.SYSTEM_REMARK_WITH_EVENT_PER_BYTE.times(len(remark))
        )

    @call(0, weight=_remark_weight)
    def remark(self, origin: Origin, remark: Annotated[bytes, MaxLen(REMARK_BYTES_MAX)]) -> None:  # noqa: ARG002  # no effect by design
        """Make some on-chain remark. Has no effect on the state."""
        ensure_signed_or_any(origin)

    @call(7, weight=_remark_with_event_weight)
    def remark_with_event(self, origin: Origin, remark: Annotated[bytes, MaxLen(REMARK_BYTES_MAX)]) -> None:
        """Make some on-chain remark and emit an event with its hash."""
        who = ensure_signed(origin)
        self.deposit(self.Remarked(who, Hash(blake2_256(remark))))

    def try_state(self) -> None:
        """AssertionError unless every account has a reason to exist and no consumer without a provider."""
        for who, info in self.account.items():
            assert info.providers + info.sufficients > 0, f"{who.hex()} exists for no reason"
            assert info.consumers == 0 or info.providers > 0, f"{who.hex()} has consumers and no provider"

    # --- helpers

    def _reset(self) -> None:
        limits, length = self.config.limits
        classes = (limits.per_class.normal, limits.per_class.operational, limits.per_class.mandatory)
        self._base = tuple(c.base_extrinsic for c in classes)
        self._limits = classes
        self._max_block = limits.max_block
        self._length_max = (length.max.normal, length.max.operational, length.max.mandatory)
        self._used = [[0, 0], [0, 0], [0, 0]]
        self._total = [0, 0]
        self._count(DispatchClass.Mandatory, limits.base_block.ref_time, limits.base_block.proof_size)
        self._encoded: list[bytes] = []
        self._encoded_count = 0
        self._length = 0

    def _has_room(self, dispatch_class: DispatchClass, ref_time: int, proof_size: int) -> bool:
        """Tell whether a class's own limit and the whole block can take so much more weight.

        Beyond the block's limit a class may still use what is reserved for it.
        """
        limits, used, total = self._limits[dispatch_class], self._used[dispatch_class], self._total
        own_time, own_size = used[0] + ref_time, used[1] + proof_size
        most = limits.max_total
        if most is not None and (own_time > most.ref_time or own_size > most.proof_size):
            return False
        block = self._max_block
        if total[0] + ref_time <= block.ref_time and total[1] + proof_size <= block.proof_size:
            return True
        reserved = limits.reserved
        return reserved is not None and own_time <= reserved.ref_time and own_size <= reserved.proof_size

    def _put_counts(
        self,
        who: AccountId,
        info: AccountInfo,
        consumers: int | None = None,
        providers: int | None = None,
        sufficients: int | None = None,
    ) -> None:
        self.account.put(
            who,
            AccountInfo(
                info.nonce,
                info.consumers if consumers is None else consumers,
                info.providers if providers is None else providers,
                info.sufficients if sufficients is None else sufficients,
                info.data,
            ),
        )

    def _reap(self, who: AccountId) -> None:
        self.account.remove(who)
        self.deposit(self.KilledAccount(who))

    def _validate_sender(self, _index: int, extrinsic: Extrinsic) -> None:
        if extrinsic.signer == ZERO_HASH:  # type: ignore[comparison-overlap]  # both are 32 bytes
            raise InvalidTransaction(InvalidReason.BadSigner)

    def _birth_hash(self, index: int, extrinsic: Extrinsic) -> bytes:
        era: Era = extrinsic.extra[index]
        if era.is_immortal:
            return self.block_hash.get(0)
        current = self.number.get()
        birth = era.birth(current)
        if not self.block_hash.contains(birth):
            raise InvalidTransaction(InvalidReason.AncientBirthBlock)
        return self.block_hash.get(birth)

    def _validate_mortality(self, index: int, extrinsic: Extrinsic) -> ValidTransaction | None:
        era: Era = extrinsic.extra[index]
        if era.is_immortal:
            return None
        current = self.number.get()
        return ValidTransaction(longevity=era.death(current) - current)

    def _validate_nonce(self, index: int, extrinsic: Extrinsic) -> ValidTransaction:
        who, nonce, info = self._ensure_nonce_unused(index, extrinsic)
        provides = (who + nonce.to_bytes(4, "little"),)
        requires = (who + (nonce - 1).to_bytes(4, "little"),) if nonce > info.nonce else ()
        return ValidTransaction(requires=requires, provides=provides)

    def _prepare_nonce(self, index: int, extrinsic: Extrinsic) -> None:
        who, nonce, info = self._ensure_nonce_unused(index, extrinsic)
        if nonce > info.nonce:
            raise InvalidTransaction(InvalidReason.Future)
        self.account.write(
            who, AccountInfo(nonce + 1, info.consumers, info.providers, info.sufficients, info.data)
        )

    def _ensure_nonce_unused(self, index: int, extrinsic: Extrinsic) -> tuple[AccountId, int, AccountInfo]:
        who = extrinsic.signer
        assert who is not None
        nonce: int = extrinsic.extra[index]
        info = self.account.get(who)
        if info.providers == 0 and info.sufficients == 0:
            raise InvalidTransaction(InvalidReason.Payment)
        if nonce < info.nonce or info.nonce == NONCE_MAX:
            raise InvalidTransaction(InvalidReason.Stale)
        return who, nonce, info

    def _validate_weight(self, _index: int, extrinsic: Extrinsic) -> None:
        info = extrinsic.info
        most = self._limits[info.class_].max_extrinsic
        if most is not None:
            weight = info.weight
            if weight.ref_time > most.ref_time or weight.proof_size > most.proof_size:
                raise InvalidTransaction(InvalidReason.ExhaustsResources)
        if len(extrinsic.data) > self._length_max[info.class_]:
            raise InvalidTransaction(InvalidReason.ExhaustsResources)

    def _prepare_weight(self, index: int, extrinsic: Extrinsic) -> None:
        self._validate_weight(index, extrinsic)
        self.prepare_extrinsic(extrinsic)


def ensure_signed_or_any(origin: Origin) -> None:
    """Accept whoever makes the call; a remark asks nothing of its author."""
    assert origin is not None
