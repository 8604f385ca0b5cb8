"""Who takes part: the homes with their accounts, meters and keys, and the well-known accounts with an office.

Everybody knows these secrets: they are made from the development phrase, and nothing of value may live there.
It knows no chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId

ROOT: Final = "//Alice"
"""Has the superuser's key of a development chain, is an officer with every role, and attests the reserve."""
SECOND: Final = "//Bob"
"""Attests the reserve, too."""
PROVIDERS: Final = ("//Bob", "//Charlie", "//Dave", "//Eve")
"""Answer the oracle, and send nothing else meanwhile: an account's calls come from one place."""
PATH: Final = "//EnergyWeek"


@dataclass(frozen=True, slots=True)
class Device:
    """A meter: its id, a salted hash of a number, and the ed25519 key that it signs with."""

    id: bytes
    key: Keypair
    is_roof: bool


@dataclass(frozen=True, slots=True)
class Home:
    """A home: its account's key, the meter of what it uses and the meter of its roof."""

    name: str
    key: Keypair
    load: Device
    roof: Device

    @property
    def account(self) -> AccountId:
        """Its account."""
        return AccountId(self.key.account_id)


def make_home(name: str) -> Home:
    """Return a home with the keys that follow from its name."""
    return Home(
        name,
        make_key(f"{PATH}//{name}"),
        _make_device(name, "load", is_roof=False),
        _make_device(name, "roof", is_roof=True),
    )


def make_key(uri: str) -> Keypair:
    """Return the sr25519 key of a secret URI."""
    return Keypair.from_uri(uri, Scheme.SR25519)


def _make_device(home: str, name: str, *, is_roof: bool) -> Device:
    key = Keypair.from_uri(f"{PATH}//{home}//{name}", Scheme.ED25519)
    salt = blake2_256(b"salt" + key.public)
    return Device(blake2_256(salt + f"{home}/{name}".encode()), key, is_roof)
