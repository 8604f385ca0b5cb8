"""Records and limits of System: block weights and lengths, upgrades, the code record; no behaviour."""

from __future__ import annotations

from typing import Annotated

from pallets.core import weights
from runtime.frame.dispatch import NO_WEIGHT, Weight
from runtime.primitives.scale import Compact, MaxLen, Struct, u32, u64


class PerClassWeight(Struct, path="frame_support::dispatch::PerDispatchClass"):
    normal: Weight
    operational: Weight
    mandatory: Weight


class WeightsPerClass(Struct, path="frame_system::limits::WeightsPerClass"):
    """Limits of one dispatch class; None means no limit of its own."""

    base_extrinsic: Weight
    max_extrinsic: Weight | None
    max_total: Weight | None
    reserved: Weight | None


class WeightLimits(Struct, path="frame_support::dispatch::PerDispatchClass"):
    normal: WeightsPerClass
    operational: WeightsPerClass
    mandatory: WeightsPerClass


class BlockWeights(Struct, path="frame_system::limits::BlockWeights"):
    """Weight limits of a block."""

    base_block: Weight
    max_block: Weight
    per_class: WeightLimits


class LengthLimits(Struct, path="frame_support::dispatch::PerDispatchClass"):
    normal: u32
    operational: u32
    mandatory: u32


class BlockLength(Struct, path="frame_system::limits::BlockLength"):
    """Length limits of a block in bytes; each class counts everything before it too."""

    max: LengthLimits


class DbWeight(Struct, path="sp_weights::RuntimeDbWeight"):
    """Picoseconds of one storage read and one storage write."""

    read: u64
    write: u64


class LastUpgrade(Struct, path="frame_system::LastRuntimeUpgradeInfo"):
    spec_version: Compact[u32]
    spec_name: str


class RuntimeCode(Struct):
    """What `:code` holds: no Wasm, but the name and version of the logic that the node carries."""

    magic: Annotated[bytes, MaxLen(4)]
    spec_name: str
    spec_version: u32


CODE_MAGIC = b"loam"


def make_limits(
    block: Weight, length: int, normal_percent: int, base_extrinsic: Weight
) -> tuple[BlockWeights, BlockLength]:
    """Return weight and length limits of which normal extrinsics may use a percentage, the rest being kept
    for others.

    A tenth of the block is reserved for operational extrinsics even when normal ones fill their part.
    """

    def part(percent: int) -> Weight:
        return Weight(block.ref_time * percent // 100, block.proof_size * percent // 100)

    initialize = part(10)
    normal = part(normal_percent)
    single = normal.minus(initialize).minus(base_extrinsic)
    per_class = WeightLimits(
        WeightsPerClass(base_extrinsic, single, normal, NO_WEIGHT),
        WeightsPerClass(base_extrinsic, block.minus(initialize), block, part(100 - normal_percent)),
        WeightsPerClass(base_extrinsic, None, None, None),
    )
    lengths = LengthLimits(length * normal_percent // 100, length, length)
    return BlockWeights(weights.BLOCK_BASE, block, per_class), BlockLength(lengths)
