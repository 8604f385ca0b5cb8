"""Generates the weights of the pallets: `python -m benchmarks.weights [FOLDER…] [--check] [--only NAME]…`.

Writes pallets/FOLDER/weights.py of the folders named, or of all that have cases in a module
benchmarks/weight_cases_FOLDER.py.

The reference time of a call is the processor time of its dispatch, with every value decoded and its events
encoded, plus DB_READ for each key that it reads first and DB_WRITE for each entry that it writes. Those stand
for reading, hashing and decoding, and for encoding, hashing, updating the state tree and writing LevelDB. The
proof size is the size of a proof of each key that it touches. Signatures are checked in worker processes and
count nothing. `--check` measures nothing and tells which calls lack a weight and which weights are nobody's;
`--only` prints and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.measure import describe, progress
from benchmarks.weight_scene import FUNDS, Act, Case, Cases, Scene, person
from node.storage.leveldb import LevelDbKeyValue
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.dispatch import Signed
from runtime.frame.runtime import Runtime
from runtime.primitives.tree import Tree
from tests.support.chain import ALICE, keypair

ROOT: Final = Path(__file__).resolve().parent.parent
REPEATS: Final = 301
BASE_REPEATS: Final = 400
STORED: Final = 100_000
"""Entries of the database that reads and writes are measured on."""
BATCH: Final = 5_000
ROUND_PS: Final = 1_000
GENERAL: Final = ("BLOCK_BASE", "EXTRINSIC_BASE", "DB_READ", "DB_WRITE")

UNWEIGHED: Final = {
    ("Utility", "with_weight"): "its weight is an argument",
    ("Sudo", "sudo_unchecked_weight"): "its weight is an argument",
    ("Multisig", "approve_as_multi"): "opens or approves without a call: as `as_multi` of size 0",
}


def find_cases() -> dict[str, Cases]:
    """Return the cases of each folder of pallets, in order of name."""
    prefix = "weight_cases_"
    paths = sorted(Path(__file__).parent.glob(f"{prefix}*.py"))
    modules = [importlib.import_module(f"benchmarks.{path.stem}") for path in paths]
    return {m.__name__.partition(prefix)[2]: m.CASES for m in modules}


FILES: Final = find_cases()


class Sample(NamedTuple):
    """One measurement: processor time in picoseconds, keys read, entries written, proof bytes."""

    time_ps: int
    reads: int
    writes: int
    proof: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A constant: reference time in picoseconds and proof size in bytes."""

    ref_time: int
    proof_size: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What every case needs: picoseconds of a read, of a write, of a remark, and the proof of a key."""

    read_ps: int
    write_ps: int
    remark_ps: int
    proof_bytes: int


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    options.add_argument("folders", nargs="*", choices=[[], *FILES], metavar="FOLDER", help=", ".join(FILES))
    options.add_argument("--check", action="store_true", help="only tell what is missing")
    options.add_argument("--only", action="append", metavar="NAME", help="measure these constants and print")
    chosen = options.parse_args()
    if chosen.check:
        faults = check()
        sys.stdout.write("".join(f"{fault}\n" for fault in faults) or "every call has its weight\n")
        sys.exit(bool(faults))
    folders = chosen.folders or list(FILES)
    if missing := [] if chosen.only else [fault for name in folders for fault in unmeasured(name)]:
        sys.exit("nothing was measured or written:\n" + "\n".join(missing))
    gc.disable()
    general = measure_general()
    costs = costs_of(general)
    progress(f"{costs}")
    for name, cases in FILES.items():
        if name not in folders:
            continue
        found: dict[str, Figures | int] = dict(general) if name == "core" else {}
        for case in cases.listed:
            if not chosen.only or case.name in chosen.only:
                found |= measure_case(case, costs, REPEATS)
                progress(f"{case.name}: {found[case.name]}")
        if not chosen.only:
            (ROOT / "pallets" / name / "weights.py").write_text(render(name, found), encoding="utf-8")


class Stored:
    """The database as the committed state of a runtime; keys have no column here, which is as fast."""

    def __init__(self, store: LevelDbKeyValue) -> None:
        self.get = store.get

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        raise NotImplementedError(f"nothing is listed: {prefix!r} after {after!r}")


# --- measuring


def measure_case(case: Case, costs: Costs, repeats: int) -> dict[str, Figures | int]:
    """Return the constants of a case: at the lowest sizes, and the slope of each component."""
    zeros = (0,) * len(case.highs)
    base = total(sample(case, zeros, repeats, costs), costs)
    found: dict[str, Figures | int] = {case.name: rounded(base)}
    for position, (component, high) in enumerate(zip(case.components, case.highs, strict=True)):
        sizes = tuple(high if i == position else 0 for i in range(len(zeros)))
        most = total(sample(case, sizes, repeats, costs), costs)
        slope = Figures(
            max(0, -(-(most.ref_time - base.ref_time) // high)),
            max(0, -(-(most.proof_size - base.proof_size) // high)),
        )
        found[f"{case.name}_PER_{component}"] = slope
    return found


def sample(case: Case, sizes: tuple[int, ...], repeats: int, costs: Costs) -> Sample:
    """Prepare a scene and measure what the case returns."""
    scene = Scene()
    act = case.prepare(scene, *sizes)
    scene.settle()
    reads, writes, proof = count_keys(scene, act, costs.proof_bytes)
    took = time_act(scene, act, repeats) - scene.inner * costs.remark_ps
    return Sample(max(took, 0), reads, writes, proof)


def count_keys(scene: Scene, act: Act, proof_bytes: int) -> tuple[int, int, int]:
    """Run once from undecoded values; return keys read, entries written and proof bytes, all undone."""
    state, backend = scene.chain.state, scene.backend
    backend.read.clear()
    mark = state.mark()
    act()
    written = dict.fromkeys(entry.key for entry, _ in state.journal[mark.entries :])
    state.rollback(mark)
    touched = dict.fromkeys([*backend.read, *written])
    proof = sum(proof_bytes + len(backend.entries.get(key, b"")) for key in touched)
    return len(backend.read), len(written), proof


def time_act(scene: Scene, act: Act, repeats: int) -> int:
    """Return the median processor time in picoseconds of an act and the encoding of its events."""
    state, encode = scene.chain.state, scene.chain.runtime.events.encode_each
    times: list[int] = []
    for _ in range(repeats):
        mark = state.mark()
        started = time.process_time_ns()
        act()
        encode(state.events[mark.events :])
        times.append(time.process_time_ns() - started)
        state.rollback(mark)
    gc.collect()
    return int(statistics.median(times)) * 1_000


def total(found: Sample, costs: Costs) -> Figures:
    """Return the weight of a measurement."""
    ref_time = found.time_ps + found.reads * costs.read_ps + found.writes * costs.write_ps
    return Figures(ref_time, found.proof)


def rounded(figures: Figures) -> Figures:
    return Figures(-(-figures.ref_time // ROUND_PS) * ROUND_PS, figures.proof_size)


# --- what every block and extrinsic costs


def measure_general() -> dict[str, Figures | int]:
    """Return block and extrinsic base, and the cost of a read and of a write."""
    read_ps, write_ps = measure_database()
    return {
        "BLOCK_BASE": rounded(Figures(measure_block(), 0)),
        "EXTRINSIC_BASE": rounded(Figures(measure_extrinsic(), 0)),
        "DB_READ": read_ps,
        "DB_WRITE": write_ps,
    }


def costs_of(general: dict[str, Figures | int]) -> Costs:
    """Return what every case needs."""
    read_ps, write_ps = general["DB_READ"], general["DB_WRITE"]
    assert isinstance(read_ps, int)
    assert isinstance(write_ps, int)
    return Costs(read_ps, write_ps, measure_remark(), measure_proof())


def measure_remark() -> int:
    """Return the picoseconds of making a remark of no bytes, without the dispatcher's own cost."""
    scene = Scene()
    call = scene.remark()
    function, args = call.spec.function, call.args
    return time_act(scene, lambda: void(function(Signed(ALICE), *args)), REPEATS)


def void(_result: object) -> None:
    """Drop a result."""


def measure_database() -> tuple[int, int]:
    """Return the picoseconds of reading an account that is not decoded, and of writing one."""
    scene = Scene()
    account = scene.chain.pallets.system.account
    value = AccountInfo(1, 2, 1, 0, AccountData(FUNDS, 1, 0))
    with tempfile.TemporaryDirectory() as folder, make_database(Path(folder)) as store:
        entries = [(account.raw_key(person(n)), account.encode_value(value)) for n in range(STORED)]
        store.write(entries, sync=True)
        store.compact()
        tree = Tree.from_items(entries)
        scene.chain.close_block()
        state = scene.chain.state
        state.retarget(Stored(store))
        step = STORED // BATCH
        chosen = [person(n) for n in range(0, STORED, step)]
        read_ps = per_each(lambda: [account.get(who) for who in chosen], len(chosen))
        for who in chosen:
            account.put(who, AccountInfo(2, 2, 1, 0, value.data))

        def write() -> None:
            changes = [(change.key, change.new) for change in state.drain()]
            tree.update(changes)
            store.write(changes, sync=False)

        return read_ps, per_each(write, len(chosen))


def per_each(act: Callable[[], object], count: int) -> int:
    """Return picoseconds of processor time for each of `count` things, rounded up."""
    started = time.process_time_ns()
    act()
    took = (time.process_time_ns() - started) * 1_000 // count
    return -(-took // ROUND_PS) * ROUND_PS


def make_database(folder: Path) -> LevelDbKeyValue:
    return LevelDbKeyValue(folder / "db", bytes(32), create=True)


def measure_block() -> int:
    """Return the picoseconds of a block without transactions, the timestamp included."""
    chain = Scene().chain
    chain.next_block(10)
    times: list[int] = []
    for _ in range(BASE_REPEATS):
        started = time.process_time_ns()
        chain.api.finalize_block()
        changes = chain.state.drain()
        took = time.process_time_ns() - started
        chain.backend.apply(changes)
        started = time.process_time_ns()
        chain.open_block()
        times.append(took + time.process_time_ns() - started)
    return int(statistics.median(times)) * 1_000


def measure_extrinsic() -> int:
    """Return the picoseconds of a signed remark from its bytes to its events, without the signature."""
    scene = Scene()
    chain = scene.chain
    raws = [
        chain.sign(keypair("//Alice"), scene.call("System.remark", b""), nonce=nonce, tip=1).data
        for nonce in range(BASE_REPEATS)
    ]
    times: list[int] = []
    for raw in raws:
        started = time.process_time_ns()
        extrinsic = chain.api.decode_extrinsic(raw)
        chain.api.signature_job(extrinsic)
        applied = chain.api.apply(extrinsic)
        times.append(time.process_time_ns() - started)
        assert applied.error is None
    return int(statistics.median(times)) * 1_000


def measure_proof() -> int:
    """Return the mean bytes of a proof of one key among as many as the database has, without the value."""
    scene = Scene()
    account = scene.chain.pallets.system.account
    value = bytes(80)
    entries = [(account.raw_key(person(number)), value) for number in range(STORED)]
    tree = Tree.from_items(entries)
    sizes = [len(tree.prove(key, value)) for key, _ in entries[:: STORED // 100]]
    return -(-sum(sizes) // len(sizes))


# --- writing and checking


def render(name: str, found: dict[str, Figures | int]) -> str:
    """Return the text of a generated module."""
    machine = describe()
    lines = [
        f'"""Weights of the {name} pallets, generated by `python -m benchmarks.weights`; do not edit.',
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores. Python {machine['python']}.",
        f"Date: {datetime.datetime.now(tz=datetime.UTC).date()}. Commit: {machine['commit']}.",
        "A weight is (picoseconds, bytes of proof); reads and writes of the state are in it.",
        '"""',
        "",
        "from typing import Final",
        "",
        "from runtime.frame.dispatch import Weight",
        "",
    ]
    for constant, figures in found.items():
        if isinstance(figures, int):
            lines.append(f"{constant}: Final = {figures:_}")
        else:
            lines.append(f"{constant}: Final = Weight({figures.ref_time:_}, {figures.proof_size:_})")
    return "\n".join(lines) + "\n"


def check() -> list[str]:
    """Return what is missing or left over: calls without a weight, constants without a case, and reverse."""
    faults: list[str] = []
    for name, cases in FILES.items():
        expected = {constant for case in cases.listed for constant in case.constants()}
        expected |= set(GENERAL) if name == "core" else set()
        text = (ROOT / "pallets" / name / "weights.py").read_text(encoding="utf-8")
        written = set(re.findall(r"^([A-Z0-9_]+): Final", text, re.MULTILINE))
        faults += [f"pallets/{name}/weights.py lacks {one}" for one in sorted(expected - written)]
        faults += [f"pallets/{name}/weights.py has {one} for no case" for one in sorted(written - expected)]
        faults += unused(name, written)
    faults += calls_without_weight(Scene().chain.runtime)
    return faults


def unmeasured(name: str) -> list[str]:
    """Return a fault for each constant that a folder's pallets use and no case gives: without it in the file
    that is about to be written they could not even be imported."""
    given = {constant for case in FILES[name].listed for constant in case.constants()}
    given |= set(GENERAL) if name == "core" else set()
    faults: list[str] = []
    for path in sorted((ROOT / "pallets" / name).glob("*.py")):
        used = set(re.findall(r"\bweights\.([A-Z][A-Z0-9_]*)\b", path.read_text(encoding="utf-8")))
        faults += [
            f"pallets/{name}/{path.name} uses weights.{one}, which no case gives"
            for one in sorted(used - given)
        ]
    return faults


def unused(name: str, written: Iterable[str]) -> list[str]:
    """Return a fault for each constant that no module refers to."""
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("pallets", "genesis")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    text = "\n".join(sources)
    return [
        f"nobody uses {one} of pallets/{name}/weights.py"
        for one in sorted(written)
        if not re.search(rf"weights\.{one}\b", text)
    ]


def calls_without_weight(runtime: Runtime) -> list[str]:
    """Return a fault for each call of a runtime for which nothing is measured."""
    measured = [case.name for cases in FILES.values() for case in cases.listed]
    faults: list[str] = []
    for pallet in runtime.pallets:
        for spec in runtime.specs[pallet.index]:
            kind = type(pallet).__name__
            constant = f"{kind}_{spec.name}".upper()
            known = any(one == constant or one.startswith(f"{constant}_") for one in measured)
            if not known and (kind, spec.name) not in UNWEIGHED:
                faults.append(f"{kind}.{spec.name} has no measured weight ({constant})")
    return faults


if __name__ == "__main__":
    main()
