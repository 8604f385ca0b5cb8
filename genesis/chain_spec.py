"""Chain specs: built-in presets and files, their JSON, and the genesis state that they stand for.

Responsible for reading a spec from outside with clear errors, for Substrate's JSON layout
(`genesis.runtimeGenesis.patch`, `.config` or `genesis.raw`), and for the promise that a raw spec gives the
same genesis for ever. It knows compositions, no node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from genesis import consortium
from genesis.config import SpecError, as_bytes, as_list, as_object, as_text, merge_patch
from genesis.energy_section import EnergyParameters, ensure_parameters, parse_parameters
from genesis.presets import DevAccount, Preset, dev_accounts, make_local_preset, make_preset
from pallets.core.system_types import CODE_MAGIC, RuntimeCode
from runtime.frame.dispatch import DispatchError
from runtime.frame.runtime_api import RuntimeFactory
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.arithmetic import ArithmeticFailure
from runtime.primitives.block import Digest, Header, compute_extrinsics_root
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError, codec
from runtime.primitives.strict_json import load_exactly
from runtime.primitives.tree import Tree
from runtime.primitives.types import ZERO_HASH

SPEC_BYTES_MAX: Final = 256 * 1024 * 1024
CODE_KEY: Final = b":code"
ENERGY_KEY: Final = b":energy"
"""Where a chain's genesis state says for ever how its energy market counts time."""
SS58_FORMAT: Final = 42
SS58_FORMAT_MAX: Final = (1 << 14) - 1
"""The largest prefix that an SS58 address can hold."""
FIELDS: Final = (
    "name",
    "id",
    "chainType",
    "bootNodes",
    "telemetryEndpoints",
    "protocolId",
    "forkId",
    "properties",
    "codeSubstitutes",
    "genesis",
    "consensusEngine",
    "lightSyncState",
)
_CODE = codec(RuntimeCode)
_ENERGY = codec(EnergyParameters)


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain's identity and genesis; exactly one of `config` (plain) and `top` (raw) is set.

    `top` maps hex to hex. `digest` is the hash of the file that the spec was read from; a built-in one has
    none.
    """

    name: str
    id: str
    chain_type: str | dict[str, Any]
    properties: dict[str, Any]
    boot_nodes: tuple[str, ...] = ()
    fork_id: str | None = None
    protocol_id: str | None = None
    config: dict[str, Any] | None = None
    top: dict[str, Any] | None = field(default=None, repr=False)
    digest: bytes | None = None

    @property
    def is_dev(self) -> bool:
        """Whether this is a chain of publicly known accounts."""
        return self.chain_type in ("Development", "Local")  # a custom type is a dict

    @property
    def block_time_ms(self) -> int:
        """Milliseconds between blocks."""
        return consortium.ConsortiumParameters().block_time_ms

    def dev_accounts(self) -> tuple[DevAccount, ...]:
        """Return the publicly known funded accounts; none on a live chain."""
        return dev_accounts() if self.is_dev else ()

    def genesis_state(self) -> Mapping[bytes, bytes]:
        """Return the genesis state, raw key to raw value; SpecError when the configuration is wrong."""
        if self.top is not None:
            return {
                as_bytes(k, "genesis.raw.top key"): as_bytes(v, f"genesis.raw.top.{k[:20]}")
                for k, v in self.top.items()
            }
        assert self.config is not None
        backend = MemoryBackend()
        state = State(backend)
        chain = consortium.compose(state, self._parameters(), consortium.make_version())
        try:
            consortium.write_genesis(chain, consortium.parse_genesis(self.config, "genesis"))
        except AssertionError as error:
            raise SpecError(f"genesis: {error}") from error
        except (DispatchError, ArithmeticFailure) as error:
            raise SpecError(f"genesis: the balances do not add up: {error}") from error
        backend.apply(state.drain())
        return {**backend.entries, ENERGY_KEY: _ENERGY.encode(self._energy())}

    def genesis_header(self, state: Mapping[bytes, bytes]) -> Header:
        """Return the header of block 0 over a genesis state."""
        root = Tree.from_items(state.items()).root
        return Header(ZERO_HASH, 0, root, compute_extrinsics_root(()), Digest(()))

    def runtimes(self) -> Mapping[int, RuntimeFactory]:
        """Return every version of this chain's runtime that this program carries, by spec version."""
        parameters = self._parameters()
        versions = consortium.VERSIONS
        return {number: _factory(parameters, number) for number in versions}

    def to_json(self, *, raw: bool) -> dict[str, Any]:
        """Return the spec as a JSON object, plain or raw."""
        if raw:
            top = {_hex(key): _hex(value) for key, value in sorted(self.genesis_state().items())}
            genesis: dict[str, Any] = {"raw": {"top": top, "childrenDefault": {}}}
        elif self.config is None:
            raise SpecError("a raw spec cannot be made plain again")
        else:
            code = _CODE.encode(RuntimeCode(CODE_MAGIC, consortium.SPEC_NAME, consortium.SPEC_VERSION))
            genesis = {"runtimeGenesis": {"code": _hex(code), "config": self.config}}
        return {
            "name": self.name,
            "id": self.id,
            "chainType": self.chain_type,
            "bootNodes": list(self.boot_nodes),
            "telemetryEndpoints": None,
            "protocolId": self.protocol_id,
            "forkId": self.fork_id,
            "properties": self.properties,
            "codeSubstitutes": {},
            "genesis": genesis,
        }

    def _parameters(self) -> consortium.ConsortiumParameters:
        prefix: int = self.properties.get("ss58Format", SS58_FORMAT)
        return consortium.ConsortiumParameters(
            ss58_prefix=prefix, energy=self._energy(), has_sudo=self.is_dev, takes_overrides=self.is_dev
        )

    def _energy(self) -> EnergyParameters:
        """Return how the energy market counts time: from the configuration, or from a raw genesis state."""
        if self.top is None:
            assert self.config is not None
            return parse_parameters(self.config.get("energy", {}), "genesis.energy")
        stored = as_bytes(_find_raw(self.top, ENERGY_KEY), f"genesis.raw.top.{_hex(ENERGY_KEY)}")
        try:
            found: EnergyParameters = _ENERGY.decode(stored)
        except DecodeError as error:
            raise SpecError(f"genesis.raw.top: `:energy` is not this program's: {error}") from error
        ensure_parameters(found, "genesis.raw.top.:energy")
        return found


def read_spec_version(code: bytes) -> int:
    """Return the spec version that a value of `:code` stands for; SpecError when it is not ours."""
    try:
        record: RuntimeCode = _CODE.decode(code)
    except DecodeError as error:
        raise SpecError(f"`:code` is not a runtime of this program: {error}") from error
    if record.magic != CODE_MAGIC or record.spec_name != consortium.SPEC_NAME:
        raise SpecError(f"this program has no runtime named {record.spec_name[:40]!r}")
    return record.spec_version


def load_spec(name_or_path: str) -> ChainSpec:
    """Return a built-in chain by name, or the spec in a JSON file; SpecError when there is none."""
    preset = make_preset(name_or_path)
    if preset is not None:
        return _build_spec(preset)
    path = Path(name_or_path)
    try:
        if not path.is_file():
            raise SpecError(
                f"{name_or_path[:200]!r} is neither a built-in chain (dev, local, consortium) nor a file"
            )
        if path.stat().st_size > SPEC_BYTES_MAX:
            raise SpecError(f"{path} is larger than {SPEC_BYTES_MAX} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{name_or_path[:200]!r} cannot be read: {error.strerror}") from error
    try:
        return parse_spec(data)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def make_local_spec(authorities: tuple[str, ...]) -> ChainSpec:
    """Return the built-in local chain with other authorities; NAME has the keys of the secret `//NAME`."""
    return _build_spec(make_local_preset(authorities))


def parse_spec(data: bytes) -> ChainSpec:
    """Return the spec of a JSON document; SpecError naming the place when it is wrong."""
    try:
        document = load_exactly(data)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"not JSON: {error}") from error
    spec = as_object(document, "spec", FIELDS)
    for name in ("name", "id", "genesis"):
        if name not in spec:
            raise SpecError(f"spec.{name} is missing")
    if spec.get("codeSubstitutes"):
        raise SpecError("spec.codeSubstitutes must be empty: this node runs no Wasm")
    base = ChainSpec(
        name=as_text(spec["name"], "spec.name"),
        id=_checked_id(as_text(spec["id"], "spec.id")),
        chain_type=_chain_type(spec.get("chainType", "Live")),
        properties=_properties(spec.get("properties")),
        boot_nodes=as_list(spec.get("bootNodes") or [], "spec.bootNodes", as_text),
        fork_id=_optional_text(spec.get("forkId"), "spec.forkId"),
        protocol_id=_optional_text(spec.get("protocolId"), "spec.protocolId"),
        digest=blake2_256(data),
    )
    return _with_genesis(base, as_object(spec["genesis"], "genesis", ("runtimeGenesis", "raw")))


def _with_genesis(base: ChainSpec, genesis: dict[str, Any]) -> ChainSpec:
    if "raw" in genesis:
        raw = as_object(genesis["raw"], "genesis.raw", ("top", "childrenDefault"))
        if raw.get("childrenDefault"):
            raise SpecError("genesis.raw.childrenDefault must be empty")
        top = as_object(raw.get("top"), "genesis.raw.top")
        code = _find_raw(top, CODE_KEY)
        read_spec_version(as_bytes(code, f"genesis.raw.top.{_hex(CODE_KEY)}"))
        _find_raw(top, ENERGY_KEY)
        return replace(base, top=top)
    runtime = as_object(genesis.get("runtimeGenesis"), "genesis.runtimeGenesis", ("code", "patch", "config"))
    if "code" in runtime:
        read_spec_version(as_bytes(runtime["code"], "genesis.runtimeGenesis.code"))
    if ("patch" in runtime) == ("config" in runtime):
        raise SpecError("genesis.runtimeGenesis needs either patch or config")
    if "config" in runtime:
        return replace(base, config=as_object(runtime["config"], "genesis.runtimeGenesis.config"))
    patch = as_object(runtime["patch"], "genesis.runtimeGenesis.patch")
    return replace(base, config=merge_patch(consortium.DEFAULT_GENESIS, patch))


def _find_raw(top: dict[str, Any], key: bytes) -> Any:
    """Return the value of a well-known key of a raw genesis state."""
    for name, value in top.items():
        if name.lower() == _hex(key):
            return value
    raise SpecError(f"genesis.raw.top has no `{key.decode()}`")


def _build_spec(preset: Preset) -> ChainSpec:
    return ChainSpec(preset.name, preset.id, preset.chain_type, preset.properties, config=preset.config)


def _chain_type(value: Any) -> str | dict[str, Any]:
    if value in {"Development", "Local", "Live"} if isinstance(value, str) else False:
        return str(value)
    if isinstance(value, dict) and list(value) == ["Custom"]:
        return {"Custom": as_text(value["Custom"], "spec.chainType.Custom")}
    raise SpecError('spec.chainType: expected Development, Local, Live or {"Custom": …}')


def _properties(value: Any) -> dict[str, Any]:
    """Return the properties; the SS58 prefix among them is part of the runtime and must be usable."""
    properties = as_object({} if value is None else value, "spec.properties")
    prefix = properties.get("ss58Format", SS58_FORMAT)
    if not isinstance(prefix, int) or isinstance(prefix, bool) or not 0 <= prefix <= SS58_FORMAT_MAX:
        raise SpecError(f"spec.properties.ss58Format: expected an integer from 0 to {SS58_FORMAT_MAX}")
    return properties


def _optional_text(value: Any, path: str) -> str | None:
    return None if value is None else as_text(value, path)


def _checked_id(text: str) -> str:
    """Return an id that is safe as a directory name."""
    if (
        not 0 < len(text) <= 64
        or not text.isascii()
        or not all(c.isalnum() or c in "-_." for c in text)
        or text.startswith(".")
    ):
        raise SpecError("spec.id: expected 1 to 64 letters, digits, '-', '_' or '.', not starting with '.'")
    return text


def _factory(parameters: consortium.ConsortiumParameters, number: int) -> RuntimeFactory:
    return lambda state: consortium.compose(state, parameters, consortium.make_version(number)).api


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
