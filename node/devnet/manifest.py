"""The manifest of a devnet: a TOML file of nodes, what happens to them and when, and how long it all lasts.

Responsible for reading it with errors that name the place. It must not do anything.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from node.config import ConfigError
from node.devnet.chains import VALIDATORS_MAX
from node.devnet.records import NODES_MAX, Role

MANIFEST_BYTES_MAX: Final = 1024 * 1024
PERTURBATIONS_MAX: Final = 1024
SECONDS_MAX: Final = 7 * 24 * 3600
TRANSFERS_PER_SECOND_MAX: Final = 500
"""A twelfth of it from each account leaves room in the pool, which takes 64 of one."""
NODE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}")

Seconds = Annotated[float, Meta(ge=0, le=SECONDS_MAX)]
Height = Annotated[int, Meta(ge=1, le=2**32 - 1)]


class Moment(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds since all nodes answered, or the highest finalized block of any node; as a span, more of
    them.
    """

    seconds: Seconds | None = None
    height: Height | None = None


class ManifestNode(Struct, frozen=True, forbid_unknown_fields=True):
    """A node; a validator's keys are those of the secret `//NAME`, and it belongs to the genesis."""

    name: str
    role: Role = "validator"
    start_at: Moment | None = None


class Perturbation(Struct, frozen=True, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """What happens to a node, when, and for how long: then it is restarted or resumed."""

    node: str
    action: Literal["kill", "stop", "pause", "resume", "restart", "disconnect"]
    at: Moment
    lasts: Moment | None = None


class ManifestLoad(Struct, frozen=True, forbid_unknown_fields=True):
    """Transfers that the devnet sends by itself, from the accounts that everybody knows."""

    transfers_per_second: Annotated[float, Meta(gt=0, le=TRANSFERS_PER_SECOND_MAX)]


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole network; it ends well when its duration is reached by every running node and all agree."""

    nodes: Annotated[tuple[ManifestNode, ...], Meta(min_length=1, max_length=NODES_MAX)]
    duration: Moment | None = None
    load: ManifestLoad | None = None
    timeout_seconds: Annotated[float, Meta(gt=0, le=SECONDS_MAX)] = 600
    perturbations: Annotated[tuple[Perturbation, ...], Meta(max_length=PERTURBATIONS_MAX)] = ()


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file; ConfigError naming file and place when it is not one."""
    try:
        with path.open("rb") as file:
            data = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the manifest: {error.strerror}") from error
    if len(data) > MANIFEST_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {MANIFEST_BYTES_MAX} bytes, which no manifest is")
    try:
        return parse_manifest(data.decode())
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_manifest(text: str) -> Manifest:
    """Return the manifest of a TOML document; ConfigError naming the place when it is not one."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError is a ValueError
        raise ConfigError(f"not valid TOML: {error!s:.200}") from error
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(error)) from error
    for fault in _list_faults(manifest):
        raise ConfigError(fault)
    return manifest


def _explain(error: msgspec.ValidationError) -> str:
    """Return msgspec's words with the place first, as our own faults have it."""
    fault, _, place = str(error).replace("`", "'").partition(" - at ")
    place = place.strip("'").removeprefix("$").removeprefix(".")
    words = fault.removeprefix("Object ").removeprefix("contains ")
    words = words[:1].lower() + words[1:]
    return f"{place}: {words}" if place else words


def _list_faults(manifest: Manifest) -> Iterator[str]:
    yield from _list_node_faults(manifest)
    names = {node.name for node in manifest.nodes}
    if manifest.duration is not None:
        yield from _list_moment_faults(manifest.duration, "duration")
    for number, one in enumerate(manifest.perturbations):
        place = f"perturbations[{number}]"
        yield from _list_moment_faults(one.at, f"{place}.at")
        if one.node not in names:
            yield f"{place}.node: no node is called {one.node[:40]!r}"
        if one.action == "disconnect" and one.lasts is None:
            yield f"{place}: disconnect needs a 'for'"
        if one.action in {"restart", "resume"} and one.lasts is not None:
            yield f"{place}: {one.action} takes no 'for'"
        if one.lasts is not None:
            yield from _list_moment_faults(one.lasts, f"{place}.for")


def _list_node_faults(manifest: Manifest) -> Iterator[str]:
    for number, node in enumerate(manifest.nodes):
        place = f"nodes[{number}]"
        if not NODE_NAME.fullmatch(node.name):
            yield f"{place}.name: expected a letter, then letters, digits and '-', at most 31 in all"
        if node.start_at is not None:
            yield from _list_moment_faults(node.start_at, f"{place}.start_at")
    if len({node.name.lower() for node in manifest.nodes}) < len(manifest.nodes):
        yield "nodes: two have the same name"
    validators = [node for node in manifest.nodes if node.role == "validator"]
    if not 1 <= len(validators) <= VALIDATORS_MAX:
        yield f"nodes: expected 1 to {VALIDATORS_MAX} validators, found {len(validators)}"
    if len(validators) == 1 and len(manifest.nodes) > 1:
        yield "nodes: a chain with one validator has no network; full nodes need two validators at least"
    if all(node.start_at for node in manifest.nodes):
        yield "nodes: one at least must start at once"


def _list_moment_faults(moment: Moment, place: str) -> Iterator[str]:
    if (moment.seconds is None) == (moment.height is None):
        yield f"{place}: expected either seconds or height"
