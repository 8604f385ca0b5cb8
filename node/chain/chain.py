"""One chain: its known blocks, the head that its runtime stands on, its state tree and its finality.

Responsible for the best-chain rule (longest, first seen; never against a certificate), for moving runtime and
tree with the head, and for handing blocks, changes and certificates to the store. It knows a runtime as
`RuntimeApi` and no pallet, no network, no clock. All methods are called from one thread.

The head runtime always has a block open on the head (`open_block`): the author executes into it, and the pool
validates against it. Before the head moves, that block is sealed or abandoned. What moves the head in steps
(`seal_steps`, an import, `switch_steps`) does not mix: whoever runs it holds one lock for all of it.
"""

from __future__ import annotations

from asyncio import Lock, wrap_future
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from node.chain.branches import BlockInfo, Branches, ExecutedBlock
from node.chain.errors import ConflictingCertificate, OffBestBranch, UnknownBlock, UnknownRuntime
from node.chain.events import Imported, Included, NewBest, Retracted
from node.chain.execution import CONTENT_FAULTS, KEYS_PER_STEP, Execution, Known, exhaust
from node.chain.importing import (
    BlockImport,
    Check,
    Executed,
    Ground,
    ensure_signed,
    import_at_once,
    trust,
)
from node.chain.old_trees import OldTrees
from node.chain.open_block import OpenBlock
from node.chain.rules import ensure_consistent, ensure_digest_bounded, ensure_not_ahead
from node.chain.views import Closable, FinalizedView, LayeredView
from node.storage.blocks import BlockStore
from node.storage.states import StateDiscarded
from runtime.frame.executive import InvalidBlock
from runtime.frame.runtime_api import RuntimeApi, RuntimeFactory
from runtime.frame.state import Change, State
from runtime.primitives.authority_set import announces_set
from runtime.primitives.block import (
    Block,
    Digest,
    DigestItem,
    Header,
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
from runtime.primitives.crypto import SignatureCheck, verify
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

SLICE_KEYS = 1_000
"""Changed keys encoded or hashed between two turns of the event loop, some 5 ms."""
LIVE_ENTRIES_MAX = 400_000
"""Decoded entries of one storage item kept between blocks, some 130 MB of account records."""


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
        self._import_listeners: list[Callable[[Imported], None]] = []
        self._best_listeners: list[Callable[[NewBest], None]] = []
        self._finality_listeners: list[Callable[[BlockInfo], None]] = []
        self.finalized = self._load(Hash(store.finalized().hash))
        self._branches = Branches(self.finalized)
        self._certified = self.finalized.hash
        self._old_trees = OldTrees(store)
        self.on_finalized(lambda info: self._old_trees.on_finalized(info.number))
        self._finalizing = Lock()
        self.head = self.finalized
        self.tree = Tree.from_items(store.load_state())
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
        self._import_listeners.append(listener)

    def on_best(self, listener: Callable[[NewBest], None]) -> None:
        """Call a listener whenever another block has become the best one, in order."""
        self._best_listeners.append(listener)

    def on_finalized(self, listener: Callable[[BlockInfo], None]) -> None:
        """Call a listener after every block whose finality is durable, in order."""
        self._finality_listeners.append(listener)

    # --- the block in progress

    def open_block(self, logs: tuple[DigestItem, ...]) -> OpenBlock:
        """Open a block on the head, abandoning one that is open; what the runtime raises leaves none open."""
        self.abandon()
        try:
            block = OpenBlock(self.api, self.head, logs)
        except (InvalidBlock, *CONTENT_FAULTS):
            self.api.state.abandon()
            raise
        self.open = block
        return block

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
        self.store.ensure_room_above()
        digest = self.api.finalize_block()
        yield
        changes = yield from self.api.state.drain_steps(SLICE_KEYS)
        self.open = None
        layer = {change.key: change.new for change in changes}
        hashed = [change.hashed for change in changes]
        root = yield from self.tree.update_hashed_steps(hashed, SLICE_KEYS)
        body = tuple(extrinsic.data for extrinsic in block.extrinsics)
        header = Header(block.parent.hash, block.number, root, compute_extrinsics_root(body), Digest(digest))
        yield
        return self._take_in(
            Executed(Block(header, body), tuple(block.extrinsics), (), changes, layer, self.tree)
        )

    def seal(self) -> Imported:
        """Seal the open block in one go."""
        return exhaust(self.seal_steps())

    # --- import

    def begin_import(
        self,
        header: Header,
        body: tuple[bytes, ...],
        *,
        time_max_ms: int | None = None,
        known: Known | None = None,
    ) -> BlockImport[Imported] | None:
        """Return the import of a block after the checks that cost little; None when it is known already.

        InvalidBlock, BlockAhead when its time is after the latest allowed, UnknownBlock when its parent is
        not known. The open block is abandoned when the new one stands on the head.
        """
        ensure_digest_bounded(header)
        block_hash = hash_header(header)
        if block_hash in self._branches or self.store.hash_by_number(header.number) == block_hash:
            return None
        ensure_not_ahead(header, time_max_ms)
        self.store.ensure_room_above()
        return self._begin_import(header, body, known)

    def import_block(self, header: Header, body: tuple[bytes, ...], check: Check) -> Imported | None:
        """Import a block in one go, whatever its time; `check` is asked about each of its signatures."""
        block = self.begin_import(header, body)
        return None if block is None else import_at_once(block, check)

    def check_block(self, header: Header, body: tuple[bytes, ...], parent: RuntimeApi) -> list[Change]:
        """Execute a block on a query runtime that stands on its parent; return its changes, take nothing
        in."""
        ensure_consistent(header, body, header.number - 1)
        execution = Execution(parent, header, body)
        try:
            for signed in execution.decode_steps():
                for one in signed:
                    ensure_signed(one.position, is_right=verify(*one.job))
            exhaust(execution.run_steps())
            return exhaust(execution.collect_steps())
        finally:
            parent.state.abandon()

    def switch_steps(self, block_hash: Hash) -> Generator[None, None, None]:
        """Make a known block the best one, in slices, whatever its number; nothing when it is not alive."""
        tree = yield from self.tree_steps(block_hash)
        if self._branches.find_live(block_hash) is not None and block_hash != self.head.hash:
            self._report_best(self._move_to(block_hash, tree))

    async def revert(self, block_hash: Hash) -> None:
        """Make a block of the best branch the head and forget every other one above it, even final ones.

        For development chains, where nobody else relies on what is final. UnknownBlock when the best branch
        has no such block, StateDiscarded when its state is not kept; then nothing has happened. The writes
        are done when the head moves, and until then nobody else has a turn: some ms for each final block.
        """
        async with self._finalizing:
            target = self._find_on_best(block_hash)
            if target.number < (oldest := self.store.oldest_state()):
                raise StateDiscarded(target.number, oldest, self.finalized.number)
            self._revert(target, self.tree_at(block_hash))

    # --- finality

    def ensure_certified(self, certificate: Certificate, check: SignatureCheck = verify) -> None:
        """Raise InvalidCertificate unless a certificate is one for a known block by its authority set.

        ConflictingCertificate when it is one for another block than the final one of its number.
        """
        header = self.header(certificate.block_hash)
        if header is not None and header.number == certificate.number:
            self._verify_certificate(certificate, header, check)
            return
        final = self._find_rival(certificate)
        if final is not None:
            self._verify_certificate(certificate, final.header, check)
            raise ConflictingCertificate(certificate.number, certificate.block_hash, final.hash)
        raise InvalidCertificate(f"no block {certificate.number} has the hash {certificate.block_hash.hex()}")

    async def wait_stored(self, block_hash: Hash) -> None:
        """Return when a known block's body is durable, as it must be before anybody votes for it."""
        found = self._branches.get(block_hash)
        if found is not None:
            await wrap_future(found.stored)

    async def finalize(self, certificate: Certificate) -> None:
        """Make the certificate's block final with everything below it; returns when that is durable.

        The caller has verified the certificate. OffBestBranch unless the block is on the best branch,
        UnknownBlock when it is below a final one, ConflictingCertificate when it contradicts one.
        """
        async with self._finalizing:
            self._ensure_can_be_final(certificate)
            self._certified = certificate.block_hash
            await self._finalize(certificate)

    # --- reading

    def is_known(self, block_hash: Hash) -> bool:
        """Tell whether a block is known."""
        return block_hash in self._branches or self.store.number_by_hash(block_hash) is not None

    def header(self, block_hash: Hash) -> Header | None:
        """Return the header of a known block, None otherwise."""
        found = self._branches.get(block_hash)
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
            parent = self._branches.get(cursor.header.parent_hash)
            if parent is None:
                found = self.store.hash_by_number(number)
                return None if found is None else Hash(found)
            cursor = parent.info
        return cursor.hash

    def view(self, block_hash: Hash) -> Closable:
        """Return the state after a block, to be closed; UnknownBlock or StateDiscarded if it is not kept."""
        if block_hash == self._branches.root.hash or block_hash in self._branches:
            return LayeredView(self.store, self._branches.layers(block_hash))
        number = self.store.number_by_hash(block_hash)
        if number is None or self.store.hash_by_number(number) != block_hash:
            raise UnknownBlock(block_hash.hex())
        return FinalizedView(self.store.state_at(number))

    def changes_of(self, block_hash: Hash) -> Mapping[bytes, bytes | None]:
        """Return what an unfinalized block changed; empty for others."""
        found = self._branches.get(block_hash)
        return {} if found is None else found.layer

    def tree_at(self, block_hash: Hash) -> Tree:
        """Return the state tree after a block, for proofs; costs a walk from the nearest known tree.

        UnknownBlock or StateDiscarded when the state is not kept. The head's tree must not be between
        updates.
        """
        if block_hash == self.head.hash:
            return self.tree
        self.view(block_hash).close()  # whose faults come before a long walk
        tree = exhaust(self.tree_steps(block_hash))
        number = self.store.number_by_hash(block_hash)
        if number is None or block_hash == self._branches.root.hash or block_hash in self._branches:
            return tree
        return self._old_trees.tree_at(number, self.finalized.number, tree)

    @contextmanager
    def runtime_at(self, block_hash: Hash) -> Iterator[RuntimeApi]:
        """Lend a runtime of the right version that stands on the state after a block; nothing it does
        stays."""
        view = self.view(block_hash)
        try:
            api = self._borrow(view)
            try:
                yield api
            finally:
                api.state.abandon()
                self._give_back(api)
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
                imported = import_at_once(self._begin_import(decode_header(raw), body, None), trust)
            except (InvalidBlock, UnknownBlock):
                continue
            yield imported.info

    # --- inside: import

    def _begin_import(
        self, header: Header, body: tuple[bytes, ...], known: Known | None
    ) -> BlockImport[Imported]:
        parent = self._find_live(header.parent_hash)
        ensure_consistent(header, body, parent.number)
        is_on_head = parent.hash == self.head.hash
        ground = self._head_ground() if is_on_head else self._other_ground(parent.hash)
        accept_steps = self._commit_steps if is_on_head else self._take_in_steps
        return BlockImport(Block(header, body), ground, accept_steps, known if is_on_head else None)

    def _head_ground(self) -> Ground:
        self.abandon()
        return Ground(self.api, self._head_tree_steps, lambda: None, lambda: None)

    def _other_ground(self, parent: Hash) -> Ground:
        api = self._borrow(self.view(parent))
        return Ground(
            api,
            partial(self.tree_steps, parent),
            partial(self._find_live, parent),
            partial(self._give_back, api),
        )

    def _commit_steps(self, executed: Executed) -> Generator[None, None, Imported]:
        yield from self.api.state.commit_steps(KEYS_PER_STEP)
        return self._take_in(executed)

    def _take_in_steps(self, executed: Executed) -> Generator[None, None, Imported]:
        yield from ()
        return self._take_in(executed)

    def _take_in(self, executed: Executed) -> Imported:
        """Take in an executed block; when it is on the head, runtime and tree stand on it already."""
        header, body = executed.block.header, executed.block.extrinsics
        info = BlockInfo(header.number, hash_header(header), header)
        stored = self.store.insert_block(info.hash, encode_header(header), body)
        hashes = tuple(extrinsic.hash for extrinsic in executed.extrinsics)
        self._branches.add(
            ExecutedBlock(info, executed.changes, executed.layer, hashes, executed.tags, stored)
        )
        best: NewBest | None = None
        if header.parent_hash == self.head.hash:
            best = self._compute_new_best(info)
            self.head = info
            self._rebase()
        elif self._is_better(info):
            best = self._move_to(info.hash, executed.tree)
        imported = Imported(info, executed.extrinsics, best)
        for listener in self._import_listeners:
            listener(imported)
        if best is not None:
            self._report_best(best)
        return imported

    def _is_better(self, info: BlockInfo) -> bool:
        """Tell whether a block on another branch takes the head's place: it is longer, and not against a
        certificate that is being carried out."""
        if info.number <= self.head.number:
            return False
        return self._certified not in self._branches or self._branches.is_above(info.hash, self._certified)

    # --- inside: moving the head

    def _move_to(self, block_hash: Hash, tree: Tree) -> NewBest:
        """Let the head be another live block; `tree` is that of its state."""
        info = self._find_live(block_hash)
        best = self._compute_new_best(info)
        self._stand_on(info, tree)
        return best

    def _stand_on(self, info: BlockInfo, tree: Tree) -> None:
        self.abandon()
        self.head = info
        self.tree = tree
        view = LayeredView(self.store, self._branches.layers(info.hash))
        if self._version_at(view) != self.api.version.spec_version:
            self.api = self._compose(view)
        else:
            self.api.state.retarget(view)

    def _revert(self, target: BlockInfo, tree: Tree) -> None:
        """Take the chain back to a block of the best branch, in the store first."""
        retracted = tuple(self._retract_down_to(target))
        kept = [(block, self._load_body(block.info.hash)) for block in self._path_from_root(target.hash)]
        count = max(self.finalized.number - target.number, 0)
        self.store.revert(count).result()
        self.finalized = target if count else self.finalized
        self._certified = self.finalized.hash
        self._branches = Branches(self.finalized)
        for block, body in kept:
            stored = self.store.insert_block(block.info.hash, encode_header(block.info.header), body)
            self._branches.add(replace(block, stored=stored))
        self._stand_on(target, tree)
        self._report_best(NewBest(target, retracted, ()))
        if count:
            self._report_finalized(target)

    def _retract_down_to(self, target: BlockInfo) -> Iterator[Retracted]:
        """Yield the blocks of the best branch above a block, newest first."""
        cursor = self.head
        while cursor.hash != target.hash:
            yield Retracted(cursor.hash, self._load_body(cursor.hash))
            cursor = self._load(cursor.header.parent_hash)

    def _compute_new_best(self, info: BlockInfo) -> NewBest:
        route = self._branches.route(self.head.hash, info.hash)
        return NewBest(
            info,
            tuple(Retracted(b.info.hash, self._load_body(b.info.hash)) for b in route.undone),
            tuple(Included(block.info, block.extrinsics, block.tags) for block in route.redone),
        )

    def _report_best(self, best: NewBest) -> None:
        for listener in self._best_listeners:
            listener(best)

    def _rebase(self) -> None:
        """Let the head runtime read below its live values from the head's view, in the head's version."""
        view = LayeredView(self.store, self._branches.layers(self.head.hash))
        if self._version_at(view) != self.api.version.spec_version:
            self.api = self._compose(view)
            return
        self.api.state.rebase(view)
        self.api.state.trim(LIVE_ENTRIES_MAX)

    def _head_tree_steps(self) -> Generator[None, None, Tree]:
        yield from ()
        return self.tree

    def tree_steps(self, block_hash: Hash) -> Generator[None, None, Tree]:
        """Return a tree of its own for an unfinalized block or the last finalized one."""
        route = self._branches.route(self.head.hash, block_hash)
        tree = self.tree.fork()
        for block in route.undone:
            yield from tree.update_steps([(c.key, c.old) for c in block.changes], KEYS_PER_STEP)
        for block in route.redone:
            yield from tree.update_steps([(c.key, c.new) for c in block.changes], KEYS_PER_STEP)
        return tree

    # --- inside: finality

    def _verify_certificate(self, certificate: Certificate, header: Header, check: SignatureCheck) -> None:
        """Raise InvalidCertificate unless it is by the set that certifies the blocks after a header's
        parent."""
        with self.runtime_at(header.parent_hash) as api:
            current = api.authority_set()
        pairs = [(authority.key, authority.weight) for authority in current.authorities]
        verify_certificate(certificate, self.genesis_hash, current.set_id, pairs, check)

    def _find_rival(self, certificate: Certificate) -> BlockInfo | None:
        """Return the final block with a certificate's number, None where that is this one or none is."""
        if not 0 < certificate.number <= self._branches.root.number:
            return None
        final = self.hash_at(certificate.number)
        header = None if final is None else self.header(final)
        if final is None or header is None or final == certificate.block_hash:
            return None
        return BlockInfo(header.number, final, header)

    def _ensure_can_be_final(self, certificate: Certificate) -> None:
        number, block_hash = certificate.number, certificate.block_hash
        root = self._branches.root
        if self._branches.find_live(block_hash) is None:
            if self.hash_at(number) == block_hash:
                raise UnknownBlock(f"block {number} is below the last finalized block {root.number}")
            raise ConflictingCertificate(number, block_hash, root.hash)
        if block_hash != root.hash and not self._branches.is_above(self.head.hash, block_hash):
            raise OffBestBranch(f"0x{block_hash.hex()} is not on the best branch")

    async def _finalize(self, certificate: Certificate) -> None:
        path = self._path_from_root(certificate.block_hash)
        for entry in path:
            await wrap_future(self.store.room())
            justification = encode_certificate(certificate) if entry is path[-1] else None
            old = {change.key: change.old for change in entry.changes}
            info = self._branches.root = entry.info
            mark = announces_set(info.header)
            done = self.store.finalize(*info[:2], justification, entry.layer, old, is_milestone=mark)
            self._note_final(info, [Hash(block.hash) for block in await wrap_future(done)])

    def _path_from_root(self, block_hash: Hash) -> list[ExecutedBlock]:
        """Return the blocks above the root up to a live block, oldest first."""
        root = self._branches.root.number
        return [b for b in reversed(self._branches.ancestry(block_hash)) if b.info.number > root]

    def _note_final(self, info: BlockInfo, dead: list[Hash]) -> None:
        self.finalized = info
        for block_hash in (info.hash, *dead):
            self._branches.drop(block_hash)
        self.api.state.rebase(LayeredView(self.store, self._branches.layers(self.head.hash)))
        self._report_finalized(info)

    def _report_finalized(self, info: BlockInfo) -> None:
        for listener in self._finality_listeners:
            listener(info)

    # --- inside: blocks and runtimes

    def _find_live(self, block_hash: Hash) -> BlockInfo:
        """Return a block that is the finalized one or stands above it; UnknownBlock for others."""
        found = self._branches.find_live(block_hash)
        if found is None:
            raise UnknownBlock(f"{block_hash.hex()} is not the finalized block or above it")
        return found

    def _find_on_best(self, block_hash: Hash) -> BlockInfo:
        """Return a block of the best branch; UnknownBlock for others."""
        header = self.header(block_hash)
        if header is None or self.hash_at(header.number) != block_hash:
            raise UnknownBlock(f"{block_hash.hex()} is not on the best branch")
        return BlockInfo(header.number, block_hash, header)

    def _load(self, block_hash: Hash) -> BlockInfo:
        raw = self.store.header(block_hash)
        assert raw is not None, "a block on the best branch has a header"
        header = decode_header(raw)
        return BlockInfo(header.number, block_hash, header)

    def _load_body(self, block_hash: Hash) -> tuple[bytes, ...]:
        body = self.store.body(block_hash)
        assert body is not None, "a block on the best branch has a body"
        return body

    def _version_at(self, view: Closable) -> int:
        code = view.get(b":code")
        assert code is not None, "genesis sets the code"
        return self._read_version(code)

    def _borrow(self, view: Closable) -> RuntimeApi:
        """Return a runtime beside the head's that stands on a state, until it is given back."""
        api = self._queries.pop(self._version_at(view), None)
        if api is None:
            return self._compose(view)
        api.state.retarget(view)
        return api

    def _give_back(self, api: RuntimeApi) -> None:
        self._queries[api.version.spec_version] = api

    def _compose(self, view: Closable) -> RuntimeApi:
        version = self._version_at(view)
        factory = self._runtimes.get(version)
        if factory is None:
            known = next(iter(self._runtimes.values()))(State(view)).version
            raise UnknownRuntime(known.spec_name, version)
        return factory(State(view))
