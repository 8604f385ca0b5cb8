"""What an auditor knows of a chain without asking anybody: its genesis, its first authorities, its runtimes.

Responsible for computing them from a chain specification; apart from `audit.py`, since it loads the pallets.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from genesis.chain_spec import CODE_KEY, load_spec, read_spec_version
from runtime.frame.runtime_api import RuntimeFactory
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import hash_header
from runtime.primitives.scale import codec
from runtime.primitives.types import Hash

METADATA_VERSION: Final = 15
_OPAQUE: Final = codec(bytes | None)


class Known(NamedTuple):
    """Genesis hash, the authorities of genesis, and metadata by spec version."""

    genesis: Hash
    authorities: AuthoritySet
    metadata: Mapping[int, bytes]


def load_trust(name: str) -> Known:
    """Return what a preset or a file says of its chain; SpecError when it is wrong."""
    spec = load_spec(name)
    state = spec.genesis_state()
    factories = spec.runtimes()
    factory = factories[read_spec_version(state[CODE_KEY])]
    authorities = factory(State(MemoryBackend(dict(state)))).authority_set()
    return Known(
        hash_header(spec.genesis_header(state)),
        authorities,
        {version: _metadata(one, state) for version, one in factories.items()},
    )


def _metadata(factory: RuntimeFactory, state: Mapping[bytes, bytes]) -> bytes:
    api = factory(State(MemoryBackend(dict(state))))
    version = METADATA_VERSION.to_bytes(4, "little")
    found: bytes | None = _OPAQUE.decode(api.call("Metadata_metadata_at_version", version))
    assert found is not None, "the version is offered"
    return found
