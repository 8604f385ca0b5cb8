"""Determinism: the same blocks give the same roots under different hash seeds and on a fresh chain.

`python -m tests.test_determinism` authors the blocks of this test, imports them into a second chain, and
prints their hashes and state roots.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.chain.chain import Chain
from runtime.frame.dispatch import Weight
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import AddressId
from runtime.primitives.types import AccountId
from tests.support.chain import BOB, CHARLIE, DAVE, EVE
from tests.support.node_chain import copy_block, make_block, open_chain, sign

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ("0", "1", "4711")
SIGNER = Keypair.from_uri("//Alice", Scheme.ED25519)
"""An ed25519 key: its signatures, and so the blocks, are the same in every run."""


def make_calls(chain: Chain) -> list[tuple[str, tuple[object, ...]]]:
    """Return calls of Alice that write many entries, some of them failing and rolled back."""
    make = chain.api.runtime.calls.make
    pay = [
        make("Balances", "transfer_allow_death", AddressId(AccountId(bytes([n]) * 32)), 10**12 + n)
        for n in range(1, 40)
    ]
    too_much = make("Balances", "transfer_keep_alive", AddressId(BOB), 1 << 100)
    return [
        ("Utility.batch_all", (tuple(pay),)),
        ("Utility.batch_all", ((*pay[:5], too_much),)),
        ("Utility.force_batch", ((*pay[:3], too_much, *pay[3:6]),)),
        (
            "Multisig.approve_as_multi",
            (2, tuple(sorted((BOB, CHARLIE, DAVE))), None, b"\7" * 32, Weight(10**9, 10**4)),
        ),
        ("System.remark_with_event", (b"hello",)),
        ("Balances.transfer_all", (AddressId(EVE), False)),
    ]


def run() -> list[str]:
    """Author and import the blocks; return a line for each."""
    author, importer = open_chain(), open_chain()
    lines: list[str] = []
    make_block(author)
    copy_block(author, author.head, importer)
    for nonce, (name, args) in enumerate(make_calls(author)):
        author.open_block(())
        raw = sign(author.api, SIGNER, name, args, nonce=nonce)
        made = make_block(author, raw)
        assert copy_block(author, made.info, importer) is not None
        assert importer.tree.root == author.tree.root
        lines.append(f"{made.info.hash.hex()} {made.info.header.state_root.hex()}")
        head = author.api.runtime.pallet("System").get_account(AccountId(SIGNER.account_id))  # type: ignore[attr-defined]  # System
        assert head.nonce == nonce + 1
    return lines


@pytest.mark.slow
def test_roots_do_not_depend_on_the_hash_seed() -> None:
    here = "\n".join(run())
    for seed in SEEDS:
        made = subprocess.run(
            [sys.executable, "-m", "tests.test_determinism"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert made.stdout.strip() == here, seed


if __name__ == "__main__":
    sys.stdout.write("\n".join(run()) + "\n")
