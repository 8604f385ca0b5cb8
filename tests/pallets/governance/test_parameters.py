"""Parameters: governance sets what is registered, within its bounds, and the default holds otherwise."""

from dataclasses import dataclass
from typing import Any

import pytest

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.governance.parameters import Parameters
from pallets.governance.parameters_types import Parameter, ParametersConfig, Registry
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, PalletOrigin, Signed
from runtime.frame.metadata import encode_metadata
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.hashing import blake2_128_concat, twox128
from runtime.primitives.metadata import MetadataV14
from runtime.primitives.scale import DecodeError, codec, u32, u64
from tests.support.chain import ALICE, Chain

FEE: Parameter[int] = Parameter("Market", 3, "FeeBps", 0, u32, 25, lambda bps: bps <= 1_000)
WINDOW: Parameter[int] = Parameter("Market", 3, "WindowMs", 4, u64, 9, lambda ms: 1 <= ms <= 2**40)
OPEN: Parameter[bool] = Parameter("Gate", 8, "IsOpen", 1, bool, True, lambda _: True)
GATEKEEPER = PalletOrigin(40, b"gate")


class Admins:
    def ensure_admin(self, origin: Origin, parameter: Parameter[Any]) -> None:
        if origin != (GATEKEEPER if parameter == OPEN else ROOT):
            raise BadOrigin


@dataclass
class Rules:
    api: RuntimeApi
    system: System
    parameters: Parameters
    registry: Registry


def compose(state: State) -> Rules:
    build, version, registry = RuntimeBuilder(state), make_version(), Registry((FEE, OPEN, WINDOW))
    registry.define(build)
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    config = ParametersConfig(registry, Admins())
    parameters = build.add(Parameters, index=30, name="Parameters", config=config)
    runtime = build.build(version, system, system.extensions())
    return Rules(RuntimeApi(runtime, session, ()), system, parameters, registry)


def write_genesis(rules: Rules) -> None:
    rules.system.genesis()
    rules.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
    rules.system.events.kill()


@pytest.fixture
def chain() -> Chain[Rules]:
    return Chain(compose, write_genesis)


def test_parameter_is_set_and_put_back_to_its_default(chain: Chain[Rules]) -> None:
    parameters, registry = chain.pallets.parameters, chain.pallets.registry
    assert (parameters.get(FEE), parameters.get(WINDOW), parameters.get(OPEN)) == (25, 9, True)
    chain.ok(ROOT, "Parameters.set_parameter", registry.setting_of(FEE, 1_000))
    key, value = registry.key_of(FEE), registry.value_of(FEE, 1_000)
    assert chain.events() == [Parameters.Updated(key, None, value)]
    chain.ok(GATEKEEPER, "Parameters.set_parameter", registry.setting_of(OPEN, False))
    chain.next_block()
    assert (parameters.get(FEE), parameters.get(WINDOW), parameters.get(OPEN)) == (1_000, 9, False)
    chain.ok(ROOT, "Parameters.set_parameter", registry.setting_of(FEE, None))
    assert chain.events() == [Parameters.Updated(key, value, None)]
    assert parameters.get(FEE) == 25
    chain.close_block()


def test_value_out_of_bounds_is_refused(chain: Chain[Rules]) -> None:
    wrong, registry = chain.pallets.parameters.OutOfBounds, chain.pallets.registry
    chain.noop(wrong, ROOT, "Parameters.set_parameter", registry.setting_of(FEE, 1_001))
    chain.noop(wrong, ROOT, "Parameters.set_parameter", registry.setting_of(WINDOW, 0))
    chain.ok(ROOT, "Parameters.set_parameter", registry.setting_of(FEE, 0))
    assert chain.pallets.parameters.get(FEE) == 0


def test_each_parameter_has_its_own_admin(chain: Chain[Rules]) -> None:
    registry = chain.pallets.registry
    strangers: tuple[Origin, ...] = (NOBODY, Signed(ALICE))
    for origin in (*strangers, GATEKEEPER):
        chain.noop(BadOrigin, origin, "Parameters.set_parameter", registry.setting_of(FEE, 1))
    for origin in (*strangers, ROOT):
        chain.noop(BadOrigin, origin, "Parameters.set_parameter", registry.setting_of(OPEN, False))


def test_layouts_are_those_of_dynamic_params(chain: Chain[Rules]) -> None:
    registry = chain.pallets.registry
    setting = chain.call("Parameters.set_parameter", registry.setting_of(WINDOW, 7))
    assert setting.encoded() == b"\x1e\0" + b"\3\4" + b"\1" + (7).to_bytes(8, "little")
    assert (
        chain.call("Parameters.set_parameter", registry.setting_of(OPEN, None)).encoded() == b"\x1e\0\x08\1\0"
    )
    for unknown in (b"\x1e\0\3\1\0", b"\x1e\0\4\0\0"):
        with pytest.raises(DecodeError):
            chain.runtime.calls.codec.decode(unknown)
    chain.assert_ok(ROOT, setting)
    chain.close_block()
    key = twox128(b"Parameters") * 2 + blake2_128_concat(b"\3\4")
    assert chain.backend.entries[key] == b"\3\4" + (7).to_bytes(8, "little")


def test_metadata_names_groups_and_parameters(chain: Chain[Rules]) -> None:
    types = codec(MetadataV14).decode(encode_metadata(chain.runtime, (), 14)[5:]).types
    inner = ("loam_runtime", "dynamic_params", "Market", "Parameters")
    found = {t.type.path: t.type.definition for t in types}
    assert [(v.name, v.index) for v in found[("RuntimeParameters",)].variants] == [("Market", 3), ("Gate", 8)]
    assert [(v.name, v.index) for v in found[inner].variants] == [("FeeBps", 0), ("WindowMs", 4)]
    assert {("RuntimeParametersKey",), ("RuntimeParametersValue",), (*inner[:3], "FeeBps")} <= found.keys()


@pytest.mark.parametrize(
    "other",
    [
        Parameter("Market", 4, "Other", 9, u32, 1, lambda _: True),
        Parameter("Grid", 3, "Other", 9, u32, 1, lambda _: True),
        Parameter("Market", 3, "FeeBps", 9, u32, 1, lambda _: True),
        Parameter("Market", 3, "Other", 0, u32, 1, lambda _: True),
        Parameter("Market", 3, "Other", 9, u32, 1, lambda _: False),
    ],
)
def test_names_and_indices_are_taken_once_and_defaults_are_allowed(other: Parameter[int]) -> None:
    with pytest.raises(AssertionError, match=r"taken|not allowed"):
        Registry((FEE, other))


def test_parameter_that_is_not_registered_is_not_read(chain: Chain[Rules]) -> None:
    with pytest.raises(KeyError):
        chain.pallets.parameters.get(Parameter("Market", 3, "Other", 9, u32, 1, lambda _: True))
