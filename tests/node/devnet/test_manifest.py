"""Manifests are typed: each mistake is refused with its place; and what they say is due when it should be."""

from pathlib import Path

import pytest

from node.config import ConfigError
from node.devnet.manifest import (
    MANIFEST_BYTES_MAX,
    PERTURBATIONS_MAX,
    ManifestNode,
    Moment,
    Perturbation,
    parse_manifest,
    read_manifest,
)
from node.devnet.schedule import Action, Schedule

TWO = 'nodes = [{name = "Alice"}, {name = "Bob"}]\n'
NETWORKS = Path(__file__).resolve().parents[2] / "networks"


def perturb(rest: str) -> str:
    return f'{TWO}[[perturbations]]\nnode = "Bob"\n{rest}'


def test_manifest_is_read_into_its_types() -> None:
    manifest = parse_manifest(
        "duration = {height = 10}\ntimeout_seconds = 30\n"
        '[[nodes]]\nname = "Alice"\n'
        '[[nodes]]\nname = "Bob"\n'
        '[[nodes]]\nname = "Eye-1"\nrole = "full"\nstart_at = {seconds = 2.5}\n'
        '[[perturbations]]\nnode = "Bob"\naction = "kill"\nat = {height = 4}\nfor = {seconds = 3}\n'
    )
    assert manifest.nodes == (
        ManifestNode("Alice"),
        ManifestNode("Bob"),
        ManifestNode("Eye-1", "full", Moment(seconds=2.5)),
    )
    assert manifest.perturbations == (Perturbation("Bob", "kill", Moment(height=4), Moment(seconds=3)),)
    assert Schedule(manifest).transfers_per_second is None
    loaded = parse_manifest(f"{TWO}load = {{transfers_per_second = 500}}")
    assert Schedule(loaded).transfers_per_second == 500
    assert (manifest.duration, manifest.timeout_seconds) == (Moment(height=10), 30)


@pytest.mark.parametrize("path", sorted(NETWORKS.glob("*.toml")), ids=lambda path: path.stem)
def test_examples_are_manifests(path: Path) -> None:
    assert read_manifest(path).duration is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "missing required field 'nodes'"),
        ("nodes = []", "length >= 1"),
        ("nodes = [", "not valid TOML"),
        ("nodes = " + "[" * 5000, "not valid TOML"),
        ("x = " + "1" * 5000, "not valid TOML"),
        (f"{TWO}node = 1", "unknown field 'node'"),
        ('nodes = [{name = "Alice", rôle = "full"}]', "not valid TOML"),
        ('nodes = [{name = "Alice", port = 1}]', "nodes[0]: unknown field 'port'"),
        ('nodes = [{name = "Alice", role = "miner"}]', "nodes[0].role: invalid enum value 'miner'"),
        ("nodes = [{name = 1}]", "expected 'str', got 'int'"),
        ('nodes = [{name = "../x"}]', r"nodes[0].name: expected a letter"),
        ('nodes = [{name = ""}]', r"nodes[0].name: expected a letter"),
        (f'nodes = [{{name = "{"a" * 32}"}}]', "nodes[0].name: expected a letter"),
        ('nodes = [{name = "Bob"}, {name = "bob"}]', "two have the same name"),
        ('nodes = [{name = "Eye", role = "full"}]', "expected 1 to 21 validators, found 0"),
        ("".join(f'[[nodes]]\nname = "V{number}"\n' for number in range(22)), "found 22"),
        ('nodes = [{name = "A"}, {name = "E", role = "full"}]', "a chain with one validator has no network"),
        ('nodes = [{name = "A", start_at = {height = 1}}]', "one at least must start at once"),
        (f"{TWO}duration = {{}}", "duration: expected either seconds or height"),
        (f"{TWO}duration = {{height = 1, seconds = 1}}", "duration: expected either seconds or height"),
        (f"{TWO}duration = {{height = 0}}", "expected 'int' >= 1"),
        (f"{TWO}duration = {{height = 1.5}}", "expected 'int"),
        (f"{TWO}duration = {{seconds = -1}}", "expected 'float' >= 0"),
        (f"{TWO}duration = {{seconds = nan}}", "expected 'float'"),
        (f"{TWO}duration = {{blocks = 1}}", "unknown field 'blocks'"),
        (f"{TWO}timeout_seconds = 0", "timeout_seconds: expected 'float' > 0"),
        ('nodes = [{name = "A"}, {name = "B", start_at = {}}]', "nodes[1].start_at: expected either"),
        (perturb('action = "kill"'), "missing required field 'at'"),
        (perturb('action = "explode"\nat = {height = 1}'), "invalid enum value 'explode'"),
        (perturb('action = "kill"\nat = {}'), "perturbations[0].at: expected either seconds or height"),
        (perturb('action = "kill"\nat = {height = 1}\nfor = {}'), "perturbations[0].for: expected either"),
        (perturb('action = "disconnect"\nat = {height = 1}'), "perturbations[0]: disconnect needs a 'for'"),
        (perturb('action = "resume"\nat = {height = 1}\nfor = {seconds = 1}'), "resume takes no 'for'"),
        (perturb('action = "restart"\nat = {height = 1}\nfor = {seconds = 1}'), "restart takes no 'for'"),
        (perturb('action = "kill"\nat = {height = 1}\nlasts = {seconds = 1}'), "unknown field 'lasts'"),
        (f"{TWO}load = {{}}", "load: missing required field 'transfers_per_second'"),
        (f"{TWO}load = {{transfers_per_second = 0}}", "load.transfers_per_second: expected 'float' > 0"),
        (f"{TWO}load = {{transfers_per_second = 501}}", "load.transfers_per_second: expected 'float' <= 500"),
        (f"{TWO}load = {{transfers_per_second = 1, kind = 1}}", "load: unknown field 'kind'"),
        (
            f'{TWO}[[perturbations]]\nnode = "Eve"\naction = "kill"\nat = {{height = 1}}',
            "perturbations[0].node: no node is called 'Eve'",
        ),
    ],
)
def test_mistake_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_manifest(text)
    assert words in str(refused.value)


def test_number_of_perturbations_has_a_limit() -> None:
    one = '[[perturbations]]\nnode = "Bob"\naction = "kill"\nat = {height = 1}\n'
    assert len(parse_manifest(TWO + one * PERTURBATIONS_MAX).perturbations) == PERTURBATIONS_MAX
    with pytest.raises(ConfigError, match=f"length <= {PERTURBATIONS_MAX}"):
        parse_manifest(TWO + one * (PERTURBATIONS_MAX + 1))


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    with pytest.raises(ConfigError, match=r"net\.toml: cannot read the manifest: No such file"):
        read_manifest(path)
    with pytest.raises(ConfigError, match="Is a directory"):
        read_manifest(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"net\.toml: .*utf-8"):
        read_manifest(path)
    path.write_text(f"{TWO}x = 1")
    with pytest.raises(ConfigError, match=r"net\.toml: .*unknown field 'x'"):
        read_manifest(path)
    path.write_text(TWO.ljust(MANIFEST_BYTES_MAX))
    assert len(read_manifest(path).nodes) == 2
    path.write_text(TWO.ljust(MANIFEST_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="larger than"):
        read_manifest(path)


def test_actions_are_due_once_by_time_or_height_and_reversed_when_they_last() -> None:
    schedule = Schedule(
        parse_manifest(
            f'{TWO[:-2]}, {{name = "Eye", role = "full", start_at = {{height = 3}}}}]\n'
            '[[perturbations]]\nnode = "Bob"\naction = "kill"\nat = {seconds = 2}\nfor = {height = 2}\n'
            '[[perturbations]]\nnode = "Alice"\naction = "disconnect"\n'
            "at = {height = 5}\nfor = {seconds = 1.5}\n"
            '[[perturbations]]\nnode = "Eye"\naction = "stop"\nat = {height = 6}\nfor = {height = 1}\n'
        )
    )
    assert schedule.is_late("Eye")
    assert not schedule.is_late("Bob")
    assert schedule.take_due(1.9, 2) == ()
    assert schedule.take_due(2.0, 3) == (Action("start", "Eye"), Action("kill", "Bob"))
    assert schedule.take_due(2.0, 3) == ()
    assert schedule.take_due(9.0, 4) == ()
    assert schedule.take_due(9.0, 6) == (
        Action("pause", "Alice"),
        Action("stop", "Eye"),
        Action("restart", "Bob"),
    )
    assert schedule.take_due(10.4, 6) == ()
    assert schedule.take_due(10.5, 7) == (Action("resume", "Alice"), Action("restart", "Eye"))
    assert schedule.take_due(1e6, 10**6) == ()


def test_end_comes_when_nothing_is_left_and_every_running_node_is_there() -> None:
    schedule = Schedule(
        parse_manifest(perturb('action = "kill"\nat = {height = 4}') + "\n[duration]\nheight = 5")
    )
    assert not schedule.is_over(0, {"Alice": 5, "Bob": 5})
    schedule.take_due(0, 4)
    assert not schedule.is_over(0, {"Alice": 5, "Bob": 4})
    assert not schedule.is_over(0, {"Alice": 5, "Bob": -1})
    assert not schedule.is_over(0, {})
    assert schedule.is_over(0, {"Alice": 5})


def test_end_by_time_waits_for_nodes_that_do_not_answer() -> None:
    schedule = Schedule(parse_manifest(f"{TWO}timeout_seconds = 8\nduration = {{seconds = 5}}"))
    assert not schedule.is_over(4.9, {"Alice": 0})
    assert not schedule.is_over(5, {"Alice": 0, "Bob": -1})
    assert schedule.is_over(5, {"Alice": 0, "Bob": 0})
    assert not schedule.is_late_to_end(7.9)
    assert schedule.is_late_to_end(8)


def test_devnet_without_a_duration_never_ends() -> None:
    for schedule in (Schedule(), Schedule(parse_manifest(TWO))):
        assert not schedule.is_over(1e9, {"Alice": 10**9})
        assert not schedule.is_late_to_end(1e9)
        assert schedule.take_due(1e9, 10**9) == ()
