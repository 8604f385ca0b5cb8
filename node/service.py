"""The service: starts a node from its configuration and stops it in order.

Responsible for resources in nesting order (directory, database, verifier, chain, RPC, metrics), for exit
codes, and for signals. Offline commands borrow the chain through `open_chain`. With the command line it is
the only part of the node that knows compositions.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec
import structlog

from genesis.chain_spec import CODE_KEY, ChainSpec, load_spec, read_spec_version
from genesis.config import SpecError
from node.chain.chain import Chain
from node.chain.errors import UnknownRuntime
from node.chain.opening import Genesis, holds_chain, open_store
from node.chain.remembered import GENESIS_FILE, GenesisRecord
from node.clock import Clock, SystemClock
from node.config import Config, ConfigError, ExitCode, ManualSeal, StartError
from node.driver.signer import GuardedSigner
from node.driver.vote_keys import VoteKeys
from node.host import Agreement, ChainHost, HostSettings
from node.joining import joined, make_agreement, make_network, place_of
from node.keystore import Keystore, get_node_key
from node.keystore.files import is_open_to_others
from node.network.identity import PeerId, compute_peer_id
from node.network.service import Network
from node.pool.transaction import compute_limits
from node.rpc.groups.author import AuthorMethods
from node.rpc.groups.chain import ChainMethods
from node.rpc.groups.context import ChainContext
from node.rpc.groups.dev import DevMethods
from node.rpc.groups.keys import KeyMethods, SessionKey
from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.groups.spec import ChainSpecMethods
from node.rpc.groups.state import StateMethods
from node.rpc.groups.system import SystemMethods
from node.rpc.health import make_health_pages
from node.rpc.jsonrpc import Limits
from node.rpc.methods import Methods
from node.rpc.openrpc import Introspection
from node.rpc.server import RpcConfig, serve
from node.storage.blocks import BlockStore
from node.storage.columns import ChainFacts
from node.storage.directory import measure_directory
from node.storage.guard import CopiedKeys, GuardFile
from node.storage.kv import (
    ClosedError,
    CorruptionError,
    DiskFullError,
    LockedError,
    ReadFailedError,
    StorageError,
    WriteFailedError,
    WrongGenesisError,
)
from node.storage.leveldb import LevelDbKeyValue
from node.telemetry.exporter import measure_loop_lag, serve_metrics
from node.telemetry.levels import LogFilter
from node.telemetry.metrics import NodeMetrics
from node.verifier import Verifier
from node.warping import Newcomer, fetch_state
from runtime.frame.executive import InvalidBlock
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import Header, hash_header
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash

PROGRAM = "Loam Node"
VOTE_KEY_TYPE = "gran"
SESSION_KEYS = (SessionKey(VOTE_KEY_TYPE, Scheme.ED25519),)
"""What a validator's session keys consist of, in the order of the runtime's."""
MIB = 1024 * 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
FORCED = 130
"""The exit code after a second signal."""
IN_BLOCK_S = 0.25
"""polkadot.js tells nobody that a transaction is in a block when that is final before it has fetched it; a
lone authority waits as long with its certificates (node/host.py)."""

log = structlog.get_logger("substrate")


@dataclass(frozen=True, slots=True)
class Ready:
    """A node that answers: what its banner shows."""

    spec: ChainSpec
    genesis_hash: Hash
    base_path: Path
    rpc_port: int
    metrics_port: int | None
    is_authority: bool
    best_number: int
    peer_id: str


class _Stopped(Exception):
    """Somebody asked the node to stop."""


def run(config: Config, announce: Callable[[Ready], None], log_filter: LogFilter | None) -> int:
    """Run a node until it is told to stop; return its exit code. StartError when it cannot go on.

    `log_filter` are the rules of the log when the node may change them. Until the node is up, signals do what
    the caller has set: opening a large database takes its time.
    """
    with _faults_named(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(config, announce, SystemClock(), log_filter))
    return ExitCode.OK


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where the extra `fast` is installed, None for the standard one."""
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def program_version() -> str:
    """Return the version of the installed program."""
    try:
        return version("loam")
    except PackageNotFoundError:
        return "0.0.0"


@contextmanager
def open_chain(config: Config) -> Iterator[tuple[ChainSpec, Chain]]:
    """Lend the chain of a stopped node to an offline command; StartError when it cannot be opened.

    A database that exists keeps the window of states that it was made with, whatever the settings say.
    """
    with _faults_named():
        spec = load_spec(config.chain)
        path = config.get_chain_path(spec.id)
        window = None if holds_chain(path / "db") else config.get_state_pruning_blocks() or 0
        with ExitStack() as stack:
            store = stack.enter_context(_open_store(spec, path, window))
            chain = Chain(store, spec.runtimes(), read_spec_version)
            for _ in chain.replay():
                pass
            yield spec, chain


async def _run(
    config: Config, announce: Callable[[Ready], None], clock: Clock, log_filter: LogFilter | None
) -> None:
    stop = asyncio.Event()
    try:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            ready = await _start(config, clock, stack, tasks, log_filter)
            _handle_signals(stop)
            gc.collect()
            gc.freeze()
            gc.disable()  # the host collects at block boundaries
            announce(ready)
            del ready  # the genesis in its spec may be large
            await _until(stop)
    except* _Stopped:
        log.info("node_stopped")


async def _until(stop: asyncio.Event) -> NoReturn:
    """Wait for the wish to stop, and end the task group with it."""
    await stop.wait()
    raise _Stopped


async def _start(
    config: Config,
    clock: Clock,
    stack: AsyncExitStack,
    tasks: asyncio.TaskGroup,
    log_filter: LogFilter | None,
) -> Ready:
    spec = load_spec(config.chain)
    base = stack.enter_context(_base_path(config))
    config = msgspec.structs.replace(config, base_path=str(base))
    chain_path = config.get_chain_path(spec.id)
    node_key = get_node_key(config, spec.id)
    peer_id = compute_peer_id(node_key.public)
    store = stack.enter_context(await _prepare_store(config, spec, node_key, clock))
    verifier = await stack.enter_async_context(Verifier(count_workers(config)))
    tasks.create_task(verifier.run(), name="verifier")
    role = 4 if config.validator else 1
    metrics = NodeMetrics(name=PROGRAM, version=program_version(), role=role, started_ms=clock.now_ms())
    keystore = _open_keystore(config, spec)
    chain = Chain(store, spec.runtimes(), read_spec_version)
    network: Network | None = None
    agreement: Agreement | None = None
    if not _is_alone(spec, chain.api.authority_set()):
        place = place_of(chain, chain_path, is_authority=config.validator)
        network = make_network(config, spec.boot_nodes, place, node_key, tasks, clock)
        agreement = make_agreement(network, spec.block_time_ms)
    host = ChainHost(
        chain,
        keys=lambda chain: _choose_keys(config, spec, keystore, chain),
        verifier=verifier,
        clock=clock,
        settings=_host_settings(config, spec),
        metrics=metrics.add_chain(spec.id),
        agreement=agreement,
    )
    _check_role(config, spec, host)
    if network is not None:
        host.peers = await stack.enter_async_context(joined(config, network, host, tasks, clock))
    server = await stack.enter_async_context(
        serve(
            _make_methods(spec, host, peer_id, keystore, log_filter),
            _rpc_config(config),
            tasks,
            now=clock.monotonic,
            pages=make_health_pages(host.peers),
            observer=host.metrics.rpc,
        )
    )
    exporter: int | None = None
    if not config.no_prometheus:
        exporter = await stack.enter_async_context(
            _serve_metrics(config, metrics, host, chain_path / "db", clock)
        )
        tasks.create_task(measure_loop_lag(metrics.loop_lag_s, clock.monotonic), name="loop lag")
    host.start(tasks)
    return Ready(
        spec,
        host.chain.genesis_hash,
        base,
        server.port,
        exporter,
        host.is_authority,
        host.chain.head.number,
        peer_id,
    )


def _check_role(config: Config, spec: ChainSpec, host: ChainHost) -> None:
    """ConfigError where this node cannot be what it is told to be on this chain; a warning where its key
    cannot."""
    if isinstance(config.get_seal(), ManualSeal) and not spec.is_dev:
        raise ConfigError("blocks are sealed by hand on development chains only")
    if config.validator and host.signs_with is not None and not host.is_authority:
        log.warning(
            "key_is_no_authority", reason="the chain's authorities have other keys: this one makes no block"
        )


def _is_alone(spec: ChainSpec, current: AuthoritySet) -> bool:
    """Tell whether a chain is made by one authority on one machine, as development chains are."""
    return spec.is_dev and len(current.authorities) == 1


async def _prepare_store(
    config: Config, spec: ChainSpec, node_key: Keypair, clock: Clock
) -> AbstractContextManager[BlockStore]:
    """Return the chain's database, to be opened; a new one has been filled by peers if that was asked for."""
    if config.sync != "full":
        await _fetch_state(config, spec, node_key, clock)
    window = config.get_state_pruning_blocks() or 0
    return _open_store(spec, config.get_chain_path(spec.id), window, config.state_cache * MIB)


async def _fetch_state(config: Config, spec: ChainSpec, node_key: Keypair, clock: Clock) -> None:
    """Let peers fill a new database if they can; signals stop that as they stop a node."""
    directory = config.get_chain_path(spec.id)
    if holds_chain(directory / "db"):
        log.info("sync_mode_unused", asked=config.sync, reason="the database holds a chain already")
        return
    state = spec.genesis_state()
    header = spec.genesis_header(state)
    factory = spec.runtimes()[read_spec_version(state[CODE_KEY])]
    authorities = factory(State(MemoryBackend(dict(state)))).authority_set()
    if _is_alone(spec, authorities):
        log.info("sync_mode_unused", asked=config.sync, reason="this chain is made on one machine")
        return
    facts = ChainFacts(hash_header(header), spec.id, config.get_state_pruning_blocks() or 0)
    newcomer = Newcomer(header, authorities, facts, spec.boot_nodes, directory)
    stop = asyncio.Event()
    with LevelDbKeyValue(directory / "db", facts.genesis, create=True) as kv, _stoppable(stop):
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(_until(stop))
            await fetch_state(config, newcomer, node_key, kv, clock)
            stopping.cancel()


def _make_methods(
    spec: ChainSpec, host: ChainHost, peer_id: PeerId, keystore: Keystore, log_filter: LogFilter | None
) -> Methods:
    """Return all RPC methods of a chain."""
    context = ChainContext(
        name=spec.name,
        id=spec.id,
        chain_type=spec.chain_type,
        properties=spec.properties,
        node_name=PROGRAM,
        node_version=program_version(),
        peer_id=peer_id,
        chain=host.chain,
        intake=host.intake,
        author=host.author,
        finalize=host.finality.finalize_now,
        is_authority=host.is_authority,
        is_dev=spec.is_dev,
        peers=host.peers,
        started_at=host.started_at,
        log_filter=log_filter,
        in_block_s=0.0 if host.agreement is None else IN_BLOCK_S,
    )
    methods = Methods(
        ChainMethods(context),
        ChainSpecMethods(context),
        StateMethods(context),
        SystemMethods(context),
        AuthorMethods(context),
        KeyMethods(keystore, SESSION_KEYS, signs_with=host.signs_with if host.agreement is None else None),
    )
    if spec.is_dev and host.agreement is None:
        methods.add(DevMethods(context, host))
    add_runtime_methods(methods, context)
    methods.add(Introspection(methods, title=spec.name, version=program_version()))
    return methods


@asynccontextmanager
async def _serve_metrics(
    config: Config, metrics: NodeMetrics, host: ChainHost, database: Path, clock: Clock
) -> AsyncIterator[int]:
    def refresh() -> None:
        host.measure()
        host.metrics.database_bytes.set(measure_directory(database))

    port = config.prometheus_port
    serving = serve_metrics(
        metrics.registry, port, now=clock.monotonic, refresh=refresh, external=config.prometheus_external
    )
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(serving)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StartError(
                f"port {port} is in use; choose another with --prometheus-port", ExitCode.PORT_IN_USE
            ) from error
        yield bound


def _rpc_config(config: Config) -> RpcConfig:
    return RpcConfig(
        port=config.rpc_port,
        external=config.is_rpc_external(),
        methods=config.rpc_methods,
        cors=config.rpc_cors,
        hosts=config.rpc_allowed_hosts,
        limits=Limits(
            request_bytes=config.rpc_max_request_size * MIB,
            response_bytes=config.rpc_max_response_size * MIB,
            batch_calls=0 if config.rpc_disable_batch_requests else config.rpc_max_batch_request_len,
        ),
        max_connections=config.rpc_max_connections,
        max_connections_per_address=config.rpc_max_connections_per_ip if config.is_rpc_external() else None,
        max_subscriptions_per_connection=config.rpc_max_subscriptions_per_connection,
        message_buffer_capacity=config.rpc_message_buffer_capacity_per_connection,
        calls_per_minute=config.rpc_rate_limit,
        rate_limit_exempt=config.rpc_rate_limit_whitelisted_ips,
        trust_proxy=config.rpc_rate_limit_trust_proxy_headers,
    )


def _host_settings(config: Config, spec: ChainSpec) -> HostSettings:
    return HostSettings(
        seal=config.get_seal(),
        block_time_ms=spec.block_time_ms,
        pool_limits=compute_limits(
            config.pool_limit, config.pool_kbytes, config.pool_limit_per_sender, config.tx_ban_seconds
        ),
        mock_signatures=config.mock_signatures,
        check_state=config.check_state,
    )


def _open_keystore(config: Config, spec: ChainSpec) -> Keystore:
    """Return the chain's keystore, with the key of a named development account in memory.

    That others can read it is refused of a validator unless it was told not to care; other nodes sign
    nothing.
    """
    path = config.get_keystore_path(spec.id)
    may_be_open = config.insecure_validator_i_know_what_i_do or not config.validator
    keystore = Keystore(path, password=config.password, plain=config.keystore_plain, may_be_open=may_be_open)
    if may_be_open and is_open_to_others(path):
        log.warning("keystore_open_to_others", path=str(path), mend=f"chmod -R go= {path}")
    if config.dev_account is not None and config.dev_account not in {"one", "two"}:
        pair = Keypair.from_uri(f"//{config.dev_account.capitalize()}", Scheme.ED25519)
        keystore.insert_ephemeral(VOTE_KEY_TYPE, pair)
    return keystore


class StoredKeys(NamedTuple):
    """The vote keys in a node's keystore, which share one signing guard."""

    keystore: Keystore
    guard: GuardFile
    genesis: Hash

    def list(self) -> tuple[bytes, ...]:
        """Return their public keys."""
        return tuple(key.public for key in self.keystore.list_keys(VOTE_KEY_TYPE))

    def open(self, public: bytes) -> GuardedSigner:
        """Return the signer of one; KeystoreError when it cannot be read."""
        return GuardedSigner(self.keystore.get_keypair(VOTE_KEY_TYPE, public), self.genesis, self.guard)


def _choose_keys(config: Config, spec: ChainSpec, keystore: Keystore, chain: Chain) -> VoteKeys:
    """Return the vote keys of this node, and which to begin with: of several the one that the set has."""
    if not config.validator:
        return VoteKeys(None)
    keys = StoredKeys(keystore, GuardFile(config.get_guard_path(spec.id)), chain.genesis_hash)
    held = keys.list()
    if not held:
        raise StartError(
            "a validator needs a vote key; make one with: loam key insert --key-type gran --scheme ed25519",
            ExitCode.KEY_MISSING,
        )
    authorities = {authority.key for authority in chain.api.authority_set().authorities}
    first = keys.open(next((one for one in held if one in authorities), held[0]))
    return VoteKeys(first, keys, CopiedKeys(config.get_copied_keys_path(spec.id)))


def count_workers(config: Config) -> int:
    """Return how many processes check signatures: as many as asked for, or one for each processor."""
    return len(os.sched_getaffinity(0)) if config.workers is None else config.workers


@contextmanager
def _base_path(config: Config) -> Iterator[Path]:
    if not config.tmp:
        yield config.get_base_path()
        return
    with tempfile.TemporaryDirectory(prefix="loam-") as directory:
        yield Path(directory)


@contextmanager
def _open_store(
    spec: ChainSpec, chain_path: Path, window: int | None, cache_bytes: int = 0
) -> Iterator[BlockStore]:
    """Open the chain's database, filling a new one with the genesis state.

    The genesis of a spec file that this very release has opened the database with is not computed again.
    """
    path = chain_path / "db"
    record: GenesisRecord | None = None
    header: Header | None = None
    if spec.digest is not None:
        source = blake2_256(program_version().encode() + spec.digest)
        record = GenesisRecord(chain_path / GENESIS_FILE, source)
        header = record.recall() if path.exists() else None
    if header is not None:
        with open_store(path, Genesis(header, spec.genesis_state, spec.id), window, cache_bytes) as store:
            yield store
        return
    state = spec.genesis_state()
    header = spec.genesis_header(state)
    genesis = Genesis(header, _giving(state), spec.id)
    with open_store(path, genesis, window, cache_bytes) as store:
        del state, genesis  # a large one is not to stay in memory
        if record is not None:
            record.remember(header)
        yield store


def _giving(state: Mapping[bytes, bytes]) -> Callable[[], Mapping[bytes, bytes]]:
    return lambda: state


def _handle_signals(stop: asyncio.Event) -> None:
    """Stop at the first signal, end at once at the second, whatever the event loop is doing."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: os._exit(FORCED))

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)


@contextmanager
def _stoppable(stop: asyncio.Event) -> Iterator[None]:
    """Let signals stop what runs in the context; afterwards they do again what they did before."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    _handle_signals(stop)
    try:
        yield
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)


_EXIT_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (DiskFullError, ExitCode.DISK_FULL),
    (LockedError, ExitCode.DATABASE_LOCKED),
    (WrongGenesisError, ExitCode.WRONG_GENESIS),
    (CorruptionError, ExitCode.DATABASE_CORRUPT),
    (InvalidBlock, ExitCode.DATABASE_CORRUPT),
    (UnknownRuntime, ExitCode.UNKNOWN_RUNTIME),
    (SpecError, ExitCode.CONFIG),
    (WriteFailedError, ExitCode.DISK_FAILING),
    (ReadFailedError, ExitCode.DISK_FAILING),
    (StorageError, ExitCode.ERROR),
)


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn the faults that have an exit code of their own into StartError."""
    try:
        yield
    except (StorageError, InvalidBlock, UnknownRuntime, SpecError, BaseExceptionGroup) as error:
        named = _name_fault(error)
        if named is None:
            raise
        raise named from error


def _name_fault(error: BaseException) -> StartError | None:
    """Return the fault with the most telling exit code; what came after a failed write is not told."""
    causes = [_find_origin(one) for one in _flatten(error)]
    for kind, code in _EXIT_CODES:
        for cause in causes:
            if isinstance(cause, kind):
                return StartError(str(cause), code)
    return None


def _flatten(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flatten(inner)
    else:
        yield error


def _find_origin(error: BaseException) -> BaseException:
    while isinstance(error, ClosedError) and error.failure is not None:
        error = error.failure
    return error
