"""Pages for people are true: what the operator's page lists is the program's, and links and paths lead
somewhere."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from node.cli.root import COMMANDS, root
from node.config import ExitCode
from node.config.settings import KEYS
from node.config.sources import CONFIG_VARIABLE, ENVIRONMENT_PREFIX
from node.rpc.groups.dev import DevMethods
from node.rpc.methods import MethodMark
from node.service import FORCED
from node.telemetry.metrics import NodeMetrics

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


PACKAGES = sorted(
    path
    for package in ("runtime", "pallets", "genesis", "apps", "node")
    for path in (ROOT / package).rglob("__init__.py")
)
PATH = re.compile(r"`((?:apps|benchmarks|docs|genesis|node|pallets|runtime|tests|tools)/[\w/.-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    if page.name != "writing-a-pallet.md":  # it names files that its reader makes
        assert [path for path in PATH.findall(text) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.parent.name)
def test_package_names_the_file_to_read_first(package: Path) -> None:
    docs = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    found = re.search(r"First file to read:\s`([\w/]+\.py)`", docs)
    assert found, docs
    assert (package.parent / found[1]).exists()


def section(title: str) -> str:
    """Return the text below a heading, up to the next one."""
    return re.split(rf"^## {title}$", PAGE, flags=re.MULTILINE)[1].partition("\n## ")[0]


def test_every_exit_code_is_told() -> None:
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)]
    assert told == [int(code) for code in ExitCode]
    assert f"code {FORCED}" in section("Exit codes")


def test_every_metric_is_told_and_no_other() -> None:
    metrics = NodeMetrics(name="Loam Node", version="0", role=4, started_ms=0)
    metrics.add_chain("dev")
    text = generate_latest(metrics.registry).decode()
    exported = {family.name for family in text_string_to_metric_families(text)}
    exported = {name for name in exported if name.startswith(("substrate_", "loam_"))}
    told = set(re.findall(r"`((?:substrate|loam)_[a-z0-9_]+)", section("Metrics")))
    assert {name.removesuffix("_total") for name in told} == {
        name.removesuffix("_total") for name in exported
    }


def test_every_log_target_is_told() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "node").rglob("*.py")]
    used = {
        target
        for text in sources
        for target in re.findall(r"^log = .*get_logger\(\"(\w+)\"", text, re.MULTILINE)
    }
    assert set(re.findall(r"^\| `(\w+)` \|", section("Logs"), re.MULTILINE)) == used


def test_every_command_and_flag_that_is_told_exists() -> None:
    for command in re.findall(r"loam ([a-z][a-z-]+)", PAGE):
        assert command in COMMANDS, command
    with root.make_context("loam", ["--print-config"]) as context:
        flags = {
            flag
            for name in COMMANDS
            if (found := root.get_command(context, name))
            for flag in flags_of(found)
        }
        flags |= flags_of(root)
    told = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert told <= flags | {"--help"}, told - flags


def flags_of(command: object) -> set[str]:
    """Return the flags of a command and of its subcommands."""
    own = {flag for param in getattr(command, "params", []) for flag in param.opts}
    inner = getattr(command, "commands", {}).values()
    return own.union(*(flags_of(one) for one in inner))


def test_every_method_for_developers_is_told() -> None:
    names = {
        mark.name
        for _, function in inspect.getmembers(DevMethods, inspect.isfunction)
        for mark in vars(function).values()
        if isinstance(mark, MethodMark) and mark.name.startswith("dev_")
    }
    assert set(re.findall(r"^\| `(dev_\w+)` \|", section("A development chain"), re.MULTILINE)) == names


def test_settings_have_the_three_names_that_are_told() -> None:
    assert "rpc-port" in KEYS.values()
    assert f"{ENVIRONMENT_PREFIX}RPC_PORT" in section("Settings")
    assert CONFIG_VARIABLE in section("Settings")


def test_license_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    title, version = (ROOT / "LICENSE").read_text(encoding="utf-8").split("\n")[1:3]
    assert (title.strip(), version.strip()) == ("Apache License", "Version 2.0, January 2004")
