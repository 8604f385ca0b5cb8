"""The guide to writing pallets is true: a copy of the tree with its code blocks builds, runs and is measured.

A code block's first line names the file that it is, or the place in genesis/consortium.py where it goes.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "writing-a-pallet.md"
BLOCK = re.compile(r"^```python (\S+)(?: (imports|pallets))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("runtime", "pallets", "genesis", "apps", "node", "benchmarks", "typings", "tests/support")
FILES = ("pyproject.toml", "tests/__init__.py", "tests/pallets/__init__.py", "tests/pallets/conftest.py")
PACKAGES = ("pallets/energy", "tests/pallets/energy", "pallets/charging", "tests/pallets/charging")
LAST_IMPORT = "from pallets.token.assets import"
BUILD = "    runtime = build.build("


def read_blocks() -> list[tuple[str, str | None, str]]:
    """Return (file, place, code) of every named block of the guide."""
    return [(path, place or None, code) for path, place, code in BLOCK.findall(GUIDE.read_text())]


def follow(target: Path) -> None:
    """Do in a copy of the tree what the guide says."""
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / folder, target / folder, ignore=ignored)
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    for package in PACKAGES:
        (target / package).mkdir()
        (target / package / "__init__.py").touch()
    consortium = target / "genesis" / "consortium.py"
    for path, place, code in read_blocks():
        if place is None:
            (target / path).write_text(code)
            continue
        text = consortium.read_text()
        if "Readings(" in code or "Readings, index" in code:
            text = text.replace("    build.add(Chargers,", "    chargers = build.add(Chargers,")
        anchor = LAST_IMPORT if place == "imports" else BUILD
        assert text.count(anchor) == 1, f"the guide's place {place} is not where it says"
        indent = "" if place == "imports" else "    "
        added = "".join(f"{indent}{line}\n" for line in code.splitlines())
        consortium.write_text(text.replace(anchor, added + anchor))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("guide")
    follow(target)
    return target


def run(tree: Path, *command: str) -> str:
    """Run a Python command in the copy; it must succeed."""
    result = subprocess.run(
        [sys.executable, "-m", *command],
        check=False,
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=100,
        env={"PYTHONPATH": str(tree)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_guide_has_the_blocks_that_it_talks_of() -> None:
    assert [(path, place) for path, place, _ in read_blocks()] == [
        ("pallets/energy/chargers.py", None),
        ("pallets/energy/weights.py", None),
        ("genesis/consortium.py", "imports"),
        ("genesis/consortium.py", "pallets"),
        ("tests/pallets/energy/test_chargers.py", None),
        ("benchmarks/weight_cases_energy.py", None),
        ("pallets/charging/readings.py", None),
        ("pallets/charging/weights.py", None),
        ("genesis/consortium.py", "imports"),
        ("genesis/consortium.py", "pallets"),
        ("tests/pallets/charging/test_readings.py", None),
        ("benchmarks/weight_cases_charging.py", None),
    ]


@pytest.mark.slow
def test_pallet_of_the_guide_is_composed_and_passes_its_tests(tree: Path) -> None:
    out = run(tree, "pytest", "-v", "-p", "no:cacheprovider", *PACKAGES[1::2])
    assert "12 passed" in out


def test_pallet_of_the_guide_is_in_the_metadata(tree: Path) -> None:
    script = tree / "look.py"
    script.write_text(
        "from tests.support.chain import consortium_chain\n"
        "metadata = consortium_chain().api.call('Metadata_metadata', b'')\n"
        "words = (b'Chargers', b'ChargerDeposit', b'register', b'Registered', b'NotOwner', b'Readings')\n"
        "for word in (*words, b'KeptBlocks'):\n"
        "    assert word in metadata, word\n"
    )
    run(tree, "look")


@pytest.mark.slow
def test_weights_of_the_guide_are_measured_and_checked(tree: Path) -> None:
    run(tree, "benchmarks.weights", "energy", "charging")
    text = (tree / "pallets" / "energy" / "weights.py").read_text()
    assert "CHARGERS_REGISTER: Final = Weight(" in text
    assert "CHARGERS_REMOVE: Final = Weight(" in text
    text = (tree / "pallets" / "charging" / "weights.py").read_text()
    assert re.search(r"^READINGS_FORGET_PER_CHARGER: Final = Weight\([1-9]", text, re.MULTILINE)
    assert re.search(r"^READINGS_REPORT_PER_VALUE: Final = Weight\([1-9]", text, re.MULTILINE)
    run(tree, "benchmarks.weights", "--check")


def test_code_of_the_guide_keeps_the_rules(tree: Path) -> None:
    paths = [path for path, place, _ in read_blocks() if place is None]
    run(tree, "ruff", "check", "--no-cache", *paths)
    run(tree, "ruff", "format", "--no-cache", "--check", *paths)


@pytest.mark.slow
def test_types_and_layers_of_the_guide_are_right(tree: Path) -> None:
    cases = ("benchmarks/weight_cases_energy.py", "benchmarks/weight_cases_charging.py")
    run(tree, "mypy", "pallets", "genesis", "tests/pallets", *cases)
    code = "from importlinter.cli import lint_imports_command as c; c()"
    result = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], check=False, cwd=tree, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
