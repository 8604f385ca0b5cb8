"""Blocks that set storage by hand: one state on all nodes of a development chain, and no block elsewhere."""

from dataclasses import replace

import pytest

from genesis.chain_spec import ChainSpec, load_spec
from node.chain.chain import Chain
from runtime.frame.by_hand import OVERRIDE_ENGINE, make_override_item
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import Digest, DigestItem, PreRuntime
from runtime.primitives.hashing import twox128
from runtime.primitives.scale import codec, u32
from tests.support.chain import BOB
from tests.support.node_chain import (
    check_now,
    copy_block,
    logs_of,
    make_block,
    open_chain,
    remade,
    snapshot,
    time_of,
    transfer,
)

INDEX_KEY = twox128(b"Session") + twox128(b"CurrentIndex")


def index(value: int) -> PreRuntime:
    return make_override_item({INDEX_KEY: codec(u32).encode(value)})


def make_overriding(chain: Chain, *items: DigestItem) -> None:
    time_ms = time_of(chain.head.number + 1)
    chain.open_block((*logs_of(time_ms), *items)).push_inherents({b"timstap0": time_ms.to_bytes(8, "little")})
    chain.seal()


def live_spec() -> ChainSpec:
    dev = load_spec("dev")
    assert dev.config is not None
    return replace(dev, id="live", chain_type="Live", config=dev.config | {"sudo": {"key": None}})


def test_block_gives_the_same_state_on_a_chain_that_imports_it() -> None:
    source, target = open_chain(), open_chain()
    infos = []
    source.on_imported(lambda imported: infos.append(imported.info))
    make_block(source)
    make_overriding(source, index(7))
    make_block(source, transfer(source.api, "//Alice", BOB, nonce=0))
    for info in infos:
        copy_block(source, info, target)
    assert snapshot(target) == snapshot(source)
    assert snapshot(target)[2][INDEX_KEY] == codec(u32).encode(7)


def test_branch_with_such_a_block_and_one_without_do_not_touch_each_other() -> None:
    source, target = open_chain(), open_chain()
    make_overriding(source, index(7))
    make_overriding(source, index(8))
    make_block(target)
    plain = snapshot(target)
    for number in (1, 2):
        block = source.block(source.hash_at(number) or source.genesis_hash)
        assert block is not None
        target.import_block(block.header, block.extrinsics, check_now)
        if number == 1:
            assert snapshot(target) == plain
    assert snapshot(target) == snapshot(source)


@pytest.mark.parametrize(
    "items",
    [
        (PreRuntime(OVERRIDE_ENGINE, b""),),
        (PreRuntime(OVERRIDE_ENGINE, b"\0"),),
        (index(1), index(2)),
        (make_override_item({INDEX_KEY: b"\1"}),),
        (make_override_item({INDEX_KEY + b"\0": None}),),
        (make_override_item({b":code": None}),),
        (make_override_item({b"nothing": b"\1"}),),
    ],
)
def test_block_whose_values_have_no_place_is_invalid_and_leaves_nothing(
    items: tuple[PreRuntime, ...],
) -> None:
    source, target = open_chain(), open_chain()
    header = make_block(source).info.header
    before = snapshot(target)
    block = source.block(source.head.hash)
    assert block is not None
    spoilt = remade(header, digest=Digest((*header.digest.logs, *items)))
    with pytest.raises(InvalidBlock):
        target.import_block(spoilt, block.extrinsics, check_now)
    assert snapshot(target) == before
    with pytest.raises(InvalidBlock):
        make_overriding(target, *items)
    assert target.open is None
    make_block(target)


def test_block_that_hides_what_it_sets_is_invalid() -> None:
    source, target = open_chain(), open_chain()
    make_overriding(source, index(7))
    block = source.block(source.head.hash)
    assert block is not None
    for digest in (logs_of(time_of(1)), (*logs_of(time_of(1)), index(8))):
        with pytest.raises(InvalidBlock, match="state root"):
            target.import_block(remade(block.header, digest=Digest(digest)), block.extrinsics, check_now)


@pytest.mark.parametrize("chain_type", ["Live", {"Custom": "Mine"}])
def test_chain_that_is_no_development_chain_refuses_the_block(chain_type: str | dict[str, str]) -> None:
    spec = replace(live_spec(), chain_type=chain_type)
    source, target = open_chain(spec=spec), open_chain(spec=spec)
    header = make_block(source).info.header
    block = source.block(source.head.hash)
    assert block is not None
    before = snapshot(target)
    spoilt = remade(header, digest=Digest((*header.digest.logs, index(7))))
    with pytest.raises(InvalidBlock, match="development chains only"):
        target.import_block(spoilt, block.extrinsics, check_now)
    assert snapshot(target) == before
    with pytest.raises(InvalidBlock, match="development chains only"):
        make_overriding(target, index(7))
    assert target.import_block(header, block.extrinsics, check_now) is not None
    assert snapshot(target) == snapshot(source)


def test_local_chain_takes_the_block() -> None:
    chain = open_chain(spec=load_spec("local"))
    make_overriding(chain, index(7))
    assert snapshot(chain)[2][INDEX_KEY] == codec(u32).encode(7)
