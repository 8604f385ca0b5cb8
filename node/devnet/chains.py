"""The chain of a devnet: a built-in one, one made for the wanted authorities, or a specification of the
user's.

The authorities of a devnet are those whose keys everybody knows: the secret of NAME is `//NAME`. It must not
know processes.
"""

from pathlib import Path
from typing import Final, NamedTuple

import orjson

from genesis.chain_spec import ChainSpec, load_spec, make_local_spec, read_spec_version
from node.config import ConfigError, UsageError
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.certificate import compute_quorum
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.keys import DEV_NAMES

VALIDATORS_MAX: Final = 21
"""As many as the consensus is measured with."""
VALIDATORS_DEFAULT: Final = 4
SPEC_FILE: Final = "chain.json"
CODE_KEY: Final = b":code"
AUTHORITY_NAMES: Final = (
    *DEV_NAMES,
    *(f"Validator{number}" for number in range(len(DEV_NAMES) + 1, VALIDATORS_MAX + 1)),
)


class NetworkChain(NamedTuple):
    """A chain and the names of the authorities that shall run; `is_built_in` needs no file of its own."""

    spec: ChainSpec
    authorities: tuple[str, ...]
    argument: str | None

    def get_argument(self, directory: Path) -> str:
        """Return the value of `--chain` for the nodes: a name, a file of the user's, or one written here."""
        if self.argument is not None:
            return self.argument
        path = directory / SPEC_FILE
        path.write_bytes(orjson.dumps(self.spec.to_json(raw=False), option=orjson.OPT_INDENT_2))
        return str(path)


def make_chain(authorities: tuple[str, ...]) -> NetworkChain:
    """Return the local chain with these authorities: the built-in one where they are its own."""
    assert 1 <= len(authorities) <= VALIDATORS_MAX
    argument = "local" if authorities == DEV_NAMES[:VALIDATORS_DEFAULT] else None
    return NetworkChain(make_local_spec(authorities), authorities, argument)


def read_chain(name_or_path: str, count: int | None) -> NetworkChain:
    """Return a chain by name or file, with as many of its authorities as wanted, all by default.

    ConfigError when their keys are not known, UsageError when they are too few to agree. SpecError as
    load_spec.
    """
    spec = load_spec(name_or_path)
    keys = _read_authorities(spec)
    names = {Keypair.from_uri(f"//{name}", Scheme.ED25519).public: name for name in AUTHORITY_NAMES}
    known = tuple(names[key] for key in keys if key in names)
    wanted = known if count is None else known[:count]
    if not known:
        raise ConfigError(
            f"{name_or_path}: no authority has a key that everybody knows (//Alice, …, //Validator21)"
        )
    if count is not None and count > len(known):
        raise UsageError(
            f"{spec.name} has {len(known)} authorities whose keys everybody knows, fewer than {count}"
        )
    quorum = compute_quorum(len(keys))
    if len(wanted) < quorum:
        raise UsageError(
            f"{spec.name} has {len(keys)} authorities, of whom {quorum} must run, not {len(wanted)}"
        )
    path = Path(name_or_path)
    return NetworkChain(spec, wanted, str(path.resolve()) if path.is_file() else name_or_path)


def _read_authorities(spec: ChainSpec) -> tuple[bytes, ...]:
    """Return the vote keys of a chain's first authorities, as the runtime tells them."""
    state = dict(spec.genesis_state())
    version = read_spec_version(state.get(CODE_KEY, b""))
    factory = spec.runtimes().get(version)
    if factory is None:
        raise ConfigError(f"{spec.name}: this release does not carry version {version} of its runtime")
    api = factory(State(MemoryBackend(state)))
    return tuple(bytes(authority.key) for authority in api.authority_set().authorities)
