"""One chain: its known blocks, the head that its runtime stands on, its state tree and its finality.

Responsible for executing blocks on the right state, for comparing state roots, for the best-chain rule
(longest, first seen) and for handing blocks, changes and certificates to the store. It knows a runtime as
`RuntimeApi` and no pallet, no network, no clock. All methods are called from one thread.

The head runtime always has a block open on the head (`open_block`): the author executes into it, and the pool
validates against it. Before anything else touches the head, that block is sealed or abandoned.
"""

from __future__ import annotations

from asyncio import Lock, wrap_future
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from node.chain.views import Closable, FinalizedView, LayeredView
from node.storage.blocks import BlockStore
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi, RuntimeFactory
from runtime.frame.state import Change, State
from runtime.frame.validity import TransactionError
from runtime.primitives.block import (
    Block,
    Digest,
    DigestItem,
    Header,
    PreRuntime,
    Seal,
    compute_extrinsics_root,
    decode_header,
    encode_header,
    hash_header,
)
from runtime.primitives.certificate import (
    Certificate,
    InvalidCertificate,
    decode_certificate,
    encode_certificate,
    verify_certificate,
)
from runtime.primitives.crypto import verify
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.scale import DecodeError
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

SLICE_KEYS = 1_000
"""Changed keys encoded or hashed between two turns of the event loop, some 5 ms."""
CONTENT_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a runtime may raise beside its own errors when a block's content breaks an assumption of its code;
every node raises the same. Faults of storage, memory and the operating system are no such verdict."""
LIVE_ENTRIES_MAX = 400_000
"""Decoded entries of one storage item kept between blocks, some 130 MB of account records."""


class UnknownBlock(LookupError):
    """No block with this hash or number is known, or its state is not kept."""


class UnknownRuntime(Exception):
    """The chain has gone to a runtime version that this node does not carry."""

    def __init__(self, spec_name: str, spec_version: int) -> None:
        super().__init__(
            f"no {spec_name} runtime of version {spec_version} in this node; install a release with it"
        )
        self.spec_version = spec_version


class BlockInfo(NamedTuple):
    """A block's place: number, hash and header."""

    number: int
    hash: Hash
    header: Header


class Imported(NamedTuple):
    """A block has become known; `is_best` when it is the new head, `retracted` the blocks that left its
    branch."""

    info: BlockInfo
    extrinsics: tuple[Extrinsic, ...]
    is_best: bool
    retracted: tuple[Hash, ...]


@dataclass(slots=True)
class _Unfinalized:
    """An executed block above the finalized one, with what it changed."""

    info: BlockInfo
    changes: list[Change]
    layer: Mapping[bytes, bytes | None]
    stored: Future[None]


class OpenBlock:
    """The block in progress on the head."""

    def __init__(self, api: RuntimeApi, parent: BlockInfo, logs: tuple[DigestItem, ...]) -> None:
        self._api = api
        self.parent = parent
        self.extrinsics: list[Extrinsic] = []
        api.initialize_block(parent.number + 1, parent.hash, logs)

    @property
    def number(self) -> int:
        """The number that the block will have."""
        return self.parent.number + 1

    def push(self, extrinsic: Extrinsic) -> None:
        """Run an extrinsic and include it; TransactionError when it may not be included."""
        self._api.apply(extrinsic)
        self.extrinsics.append(extrinsic)

    def push_inherents(self, data: dict[bytes, bytes]) -> None:
        """Include the inherents that the runtime makes of the author's data."""
        for raw in self._api.inherents(data):
            self.push(self._api.decode_extrinsic(raw))


class Chain:
    """See the module."""

    def __init__(
        self, store: BlockStore, runtimes: Mapping[int, RuntimeFactory], read_version: Callable[[bytes], int]
    ) -> None:
        """Stand on the store's finalized block; `read_version` reads the spec version from the value of
        `:code`.

        Call `replay` before use: it executes the unfinalized blocks again.
        """
        self.store = store
        self._runtimes = runtimes
        self._read_version = read_version
        self._listeners: list[Callable[[Imported], None]] = []
        self._finality_listeners: list[Callable[[BlockInfo], None]] = []
        self._unfinalized: dict[Hash, _Unfinalized] = {}
        ref = store.finalized()
        self.finalized = self._load(Hash(ref.hash))
        self._settled = self.finalized
        self._finalizing = Lock()
        self.head = self.finalized
        self.tree = Tree.from_items(store.state_iter())
        if self.tree.root != self.finalized.header.state_root:
            raise InvalidBlock("the state on disk does not have the state root of the finalized block")
        genesis = store.hash_by_number(0)
        assert genesis is not None
        self.genesis_hash = Hash(genesis)
        self.api = self._compose(LayeredView(store, ()))
        self._queries: dict[int, RuntimeApi] = {}
        self.open: OpenBlock | None = None

    # --- events

    def on_imported(self, listener: Callable[[Imported], None]) -> None:
        """Call a listener after every block that becomes known, in order."""
        self._listeners.append(listener)

    def on_finalized(self, listener: Callable[[BlockInfo], None]) -> None:
        """Call a listener after every block whose finality is durable, in order."""
        self._finality_listeners.append(listener)

    # --- the block in progress

    def open_block(self, logs: tuple[DigestItem, ...]) -> OpenBlock:
        """Open a block on the head, abandoning one that is open."""
        self.abandon()
        self.open = OpenBlock(self.api, self.head, logs)
        return self.open

    def abandon(self) -> None:
        """Undo the open block, if any."""
        if self.open is not None:
            self.api.state.abandon()
            self.open = None

    def seal_steps(self) -> Generator[None, None, Imported]:
        """Seal the open block and make it the head; yields between slices of work, so that a loop can
        turn."""
        block = self.open
        assert block is not None, "a block is open"
        digest = self.api.finalize_block()
        yield
        changes = yield from self.api.state.drain_steps(SLICE_KEYS)
        self.open = None
        pairs = [(change.key, change.new) for change in changes]
        root = yield from self.tree.update_steps(pairs, SLICE_KEYS)
        body = tuple(extrinsic.data for extrinsic in block.extrinsics)
        header = Header(block.parent.hash, block.number, root, compute_extrinsics_root(body), Digest(digest))
        yield
        return self._accept(header, body, tuple(block.extrinsics), changes)

    def seal(self) -> Imported:
        """Seal the open block in one go."""
        steps = self.seal_steps()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                imported: Imported = end.value
                return imported

    # --- import

    def import_block(
        self, header: Header, body: tuple[bytes, ...], check: Callable[[Extrinsic, SignatureJob], bool]
    ) -> Imported | None:
        """Execute a block on its parent's state and take it in; None when it is known already.

        `check` tells whether a signature is right (verified before or now). InvalidBlock when the block
        breaks a rule, UnknownBlock when its parent is not known; then nothing has changed but the open
        block is abandoned.
        """
        block_hash = hash_header(header)
        if block_hash in self._unfinalized or self.store.hash_by_number(header.number) == block_hash:
            return None
        return self._import(header, body, check)

    def check_block(self, header: Header, body: tuple[bytes, ...], parent: RuntimeApi) -> list[Change]:
        """Execute a block on a query runtime that stands on its parent; return its changes, take nothing
        in."""
        try:
            _run_block(parent, header, body, _verify_now)
            changes = parent.state.pending()
        except CONTENT_FAULTS as fault:
            raise InvalidBlock(f"execution fails: {type(fault).__name__}: {fault!s:.200}") from fault
        parent.state.abandon()
        return changes

    # --- finality

    def make_certificate_ready(self, certificate: Certificate) -> None:
        """Raise InvalidCertificate unless a certificate is one for a known block by its authority set."""
        header = self.header(certificate.block_hash)
        if header is None or header.number != certificate.number:
            raise InvalidCertificate(
                f"no block {certificate.number} has the hash {certificate.block_hash.hex()}"
            )
        with self.runtime_at(header.parent_hash) as api:
            current = api.authority_set()
        pairs = [(authority.key, authority.weight) for authority in current.authorities]
        verify_certificate(certificate, self.genesis_hash, current.set_id, pairs)

    async def wait_stored(self, block_hash: Hash) -> None:
        """Return when a known block's body is durable, as it must be before anybody votes for it."""
        found = self._unfinalized.get(block_hash)
        if found is not None:
            await wrap_future(found.stored)

    async def finalize(self, certificate: Certificate) -> None:
        """Make the certificate's block final with everything below it; returns when that is durable.

        The caller has verified the certificate. UnknownBlock unless the block is the last finalized one or
        above it on the best branch.
        """
        async with self._finalizing:
            await self._finalize(certificate)

    async def _finalize(self, certificate: Certificate) -> None:
        self._ensure_live(certificate.block_hash)
        path = self._ancestry(certificate.block_hash)
        best = [entry.info.hash for entry in self._ancestry(self.head.hash)]
        if path and certificate.block_hash not in best:
            raise UnknownBlock(f"{certificate.block_hash.hex()} is not on the best branch")
        for entry in reversed(path):
            await wrap_future(self.store.room())
            justification = encode_certificate(certificate) if entry is path[0] else None
            old = {change.key: change.old for change in entry.changes}
            self._settled = entry.info
            done = self.store.finalize(entry.info.number, entry.info.hash, justification, entry.layer, old)
            dead = await wrap_future(done)
            self._note_final(entry.info, [Hash(block.hash) for block in dead])

    # --- reading

    def is_known(self, block_hash: Hash) -> bool:
        """Tell whether a block is known."""
        return block_hash in self._unfinalized or self.store.number_by_hash(block_hash) is not None

    def header(self, block_hash: Hash) -> Header | None:
        """Return the header of a known block, None otherwise."""
        found = self._unfinalized.get(block_hash)
        if found is not None:
            return found.info.header
        raw = self.store.header(block_hash)
        return None if raw is None else decode_header(raw)

    def block(self, block_hash: Hash) -> Block | None:
        """Return a known block, None otherwise."""
        header = self.header(block_hash)
        body = None if header is None else self.store.body(block_hash)
        return None if header is None or body is None else Block(header, body)

    def certificate(self, block_hash: Hash) -> Certificate | None:
        """Return the certificate stored with a finalized block."""
        raw = self.store.justification(block_hash)
        return None if raw is None else decode_certificate(raw)

    def hash_at(self, number: int) -> Hash | None:
        """Return the hash of the best chain's block with a number, None when there is none."""
        if number > self.head.number or number < 0:
            return None
        cursor = self.head
        while cursor.number > number:
            parent = self._unfinalized.get(cursor.header.parent_hash)
            if parent is None:
                found = self.store.hash_by_number(number)
                return None if found is None else Hash(found)
            cursor = parent.info
        return cursor.hash

    def view(self, block_hash: Hash) -> Closable:
        """Return the state after a block, to be closed; UnknownBlock or StateDiscarded when it is not
        kept."""
        if block_hash == self._settled.hash or block_hash in self._unfinalized:
            return LayeredView(self.store, self._layers(block_hash))
        number = self.store.number_by_hash(block_hash)
        if number is None or self.store.hash_by_number(number) != block_hash:
            raise UnknownBlock(block_hash.hex())
        return FinalizedView(self.store.state_at(number))

    def changes_of(self, block_hash: Hash) -> Mapping[bytes, bytes | None]:
        """Return what an unfinalized block changed; empty for others."""
        found = self._unfinalized.get(block_hash)
        return {} if found is None else found.layer

    def tree_at(self, block_hash: Hash) -> Tree:
        """Return the state tree after a block, for proofs; costs a walk over all later changes.

        UnknownBlock or StateDiscarded when the state is not kept. The head's tree must not be between
        updates.
        """
        if block_hash == self.head.hash:
            return self.tree
        undone, redone = self._route(self.head.hash, block_hash)
        tree = self.tree.fork()
        for entry in undone:
            tree.update([(change.key, change.old) for change in entry.changes])
        for entry in redone:
            tree.update([(change.key, change.new) for change in entry.changes])
        if block_hash == self._settled.hash or block_hash in self._unfinalized:
            return tree
        number = self.store.number_by_hash(block_hash)
        if number is None or self.store.hash_by_number(number) != block_hash:
            raise UnknownBlock(block_hash.hex())
        for later in range(self.finalized.number, number, -1):
            tree.update(self.store.undo(later))
        return tree

    @contextmanager
    def runtime_at(self, block_hash: Hash) -> Iterator[RuntimeApi]:
        """Lend a runtime of the right version that stands on the state after a block; nothing it does
        stays."""
        view = self.view(block_hash)
        try:
            version = self._version_at(view)
            api = self._queries.pop(version, None)
            if api is None:
                api = self._compose(view)
            else:
                api.state.retarget(view)
            try:
                yield api
            finally:
                api.state.abandon()
                self._queries[version] = api
        finally:
            view.close()

    # --- start-up

    def replay(self) -> Iterator[BlockInfo]:
        """Execute the stored unfinalized blocks again, yielding each; one that fails is left out with its
        descendants."""
        for ref in self.store.unfinalized():
            raw, body = self.store.header(ref.hash), self.store.body(ref.hash)
            if raw is None or body is None:
                continue
            try:
                imported = self._import(decode_header(raw), body, _trust)
            except (InvalidBlock, UnknownBlock):
                continue
            yield imported.info

    # --- inside

    def _import(
        self, header: Header, body: tuple[bytes, ...], check: Callable[[Extrinsic, SignatureJob], bool]
    ) -> Imported:
        self._ensure_live(header.parent_hash)
        self.abandon()
        before = self.head
        self._stand_on(header.parent_hash)
        try:
            extrinsics, changes = self._execute(header, body, check)
            self._apply_to_tree(changes, header.state_root)
        except InvalidBlock:
            self.api.state.abandon()
            self._stand_on(before.hash)
            raise
        self.api.state.drain()
        return self._accept(header, body, extrinsics, changes, former=before)

    def _ensure_live(self, block_hash: Hash) -> None:
        """UnknownBlock unless a block is the finalized one or stands above it."""
        cursor = block_hash
        while cursor != self._settled.hash:
            found = self._unfinalized.get(cursor)
            if found is None:
                raise UnknownBlock(f"{block_hash.hex()} is not the finalized block or above it")
            cursor = found.info.header.parent_hash

    def _execute(
        self, header: Header, body: tuple[bytes, ...], check: Callable[[Extrinsic, SignatureJob], bool]
    ) -> tuple[tuple[Extrinsic, ...], list[Change]]:
        if header.number != self.head.number + 1:
            raise InvalidBlock(f"number {header.number} on a parent with number {self.head.number}")
        try:
            return _run_block(self.api, header, body, check), self.api.state.pending()
        except CONTENT_FAULTS as fault:
            raise InvalidBlock(f"execution fails: {type(fault).__name__}: {fault!s:.200}") from fault

    def _apply_to_tree(self, changes: list[Change], expected: Hash) -> None:
        root = self.tree.update([(change.key, change.new) for change in changes])
        if root != expected:
            self.tree.update([(change.key, change.old) for change in changes])
            raise InvalidBlock(f"state root is {root.hex()}, the header says {expected.hex()}")

    def _accept(
        self,
        header: Header,
        body: tuple[bytes, ...],
        extrinsics: tuple[Extrinsic, ...],
        changes: list[Change],
        former: BlockInfo | None = None,
    ) -> Imported:
        """Take in an executed block on which tree and runtime stand now."""
        raw = encode_header(header)
        info = BlockInfo(header.number, hash_header(header), header)
        layer = {change.key: change.new for change in changes}
        stored = self.store.insert_block(info.hash, raw, body)
        self._unfinalized[info.hash] = _Unfinalized(info, changes, layer, stored)
        self.head = info
        self._rebase()
        best = former is None or former.hash == header.parent_hash or info.number > former.number
        retracted: tuple[Hash, ...] = ()
        if former is not None and former.hash != header.parent_hash:
            if best:
                retracted = self._branch_difference(former.hash, info.hash)
            else:
                self._stand_on(former.hash)
        imported = Imported(info, extrinsics, best, retracted)
        for listener in self._listeners:
            listener(imported)
        return imported

    def _note_final(self, info: BlockInfo, dead: list[Hash]) -> None:
        self.finalized = info
        self._unfinalized.pop(info.hash, None)
        for block_hash in dead:
            self._unfinalized.pop(block_hash, None)
        self.api.state.rebase(LayeredView(self.store, self._layers(self.head.hash)))
        for listener in self._finality_listeners:
            listener(info)

    def _rebase(self) -> None:
        """Let the head runtime read below its live values from the head's view, in the head's version."""
        view = LayeredView(self.store, self._layers(self.head.hash))
        if self._version_at(view) != self.api.version.spec_version:
            self.api = self._compose(view)
            return
        self.api.state.rebase(view)
        self.api.state.trim(LIVE_ENTRIES_MAX)

    def _stand_on(self, block_hash: Hash) -> None:
        """Move runtime and tree to the state after a block of any branch above the finalized one."""
        if block_hash == self.head.hash:
            return
        if block_hash != self._settled.hash and block_hash not in self._unfinalized:
            raise UnknownBlock(block_hash.hex())
        undone, redone = self._route(self.head.hash, block_hash)
        for entry in undone:
            self.tree.update([(change.key, change.old) for change in entry.changes])
        for entry in redone:
            self.tree.update([(change.key, change.new) for change in entry.changes])
        found = self._unfinalized.get(block_hash)
        self.head = self._settled if found is None else found.info
        view = LayeredView(self.store, self._layers(block_hash))
        if self._version_at(view) != self.api.version.spec_version:
            self.api = self._compose(view)
        else:
            self.api.state.retarget(view)

    def _route(self, start: Hash, end: Hash) -> tuple[list[_Unfinalized], list[_Unfinalized]]:
        """Return the blocks to undo (newest first) and to redo (oldest first) between two heads."""
        down, up = self._ancestry(start), self._ancestry(end)
        shared = {entry.info.hash for entry in down} & {entry.info.hash for entry in up}
        undone = [entry for entry in down if entry.info.hash not in shared]
        redone = [entry for entry in reversed(up) if entry.info.hash not in shared]
        return undone, redone

    def _branch_difference(self, former: Hash, current: Hash) -> tuple[Hash, ...]:
        return tuple(entry.info.hash for entry in self._route(former, current)[0])

    def _ancestry(self, block_hash: Hash) -> list[_Unfinalized]:
        """Return the unfinalized blocks from a block down to the finalized one, newest first."""
        found: list[_Unfinalized] = []
        cursor = block_hash
        while cursor in self._unfinalized:
            found.append(self._unfinalized[cursor])
            cursor = found[-1].info.header.parent_hash
        return found

    def _layers(self, block_hash: Hash) -> list[Mapping[bytes, bytes | None]]:
        return [entry.layer for entry in reversed(self._ancestry(block_hash))]

    def _load(self, block_hash: Hash) -> BlockInfo:
        raw = self.store.header(block_hash)
        assert raw is not None, "the finalized block has a header"
        header = decode_header(raw)
        return BlockInfo(header.number, block_hash, header)

    def _version_at(self, view: Closable) -> int:
        code = view.get(b":code")
        assert code is not None, "genesis sets the code"
        return self._read_version(code)

    def _compose(self, view: Closable) -> RuntimeApi:
        version = self._version_at(view)
        factory = self._runtimes.get(version)
        if factory is None:
            known = next(iter(self._runtimes.values()))(State(view)).version
            raise UnknownRuntime(known.spec_name, version)
        return factory(State(view))


def _verify_now(_extrinsic: Extrinsic, job: SignatureJob) -> bool:
    return verify(*job)


def _trust(_extrinsic: Extrinsic, _job: SignatureJob) -> bool:
    """Accept signatures of blocks that this node has checked before it stored them."""
    return True


def _run_block(
    api: RuntimeApi,
    header: Header,
    body: tuple[bytes, ...],
    check: Callable[[Extrinsic, SignatureJob], bool],
) -> tuple[Extrinsic, ...]:
    """Execute a block on a runtime that stands on its parent; InvalidBlock when it breaks a rule."""
    if compute_extrinsics_root(body) != header.extrinsics_root:
        raise InvalidBlock("the extrinsics do not have the header's root")
    logs = header.digest.logs
    if any(isinstance(item, Seal) for item in logs[:-1]):
        raise InvalidBlock("a seal that is not the last digest item")
    api.initialize_block(
        header.number, header.parent_hash, tuple(i for i in logs if isinstance(i, PreRuntime))
    )
    extrinsics: list[Extrinsic] = []
    for index, raw in enumerate(body):
        try:
            extrinsic = api.decode_extrinsic(raw)
            if extrinsic.signer is not None and not check(extrinsic, api.signature_job(extrinsic)):
                raise InvalidBlock("bad signature", index)
            api.apply(extrinsic)
        except (DecodeError, TransactionError) as error:
            raise InvalidBlock(f"{type(error).__name__}: {error}", index) from error
        extrinsics.append(extrinsic)
    made = api.finalize_block()
    if made != tuple(i for i in logs if not isinstance(i, Seal)):
        raise InvalidBlock("the digest is not what the execution gives")
    return tuple(extrinsics)
