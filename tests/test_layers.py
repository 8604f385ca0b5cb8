"""The import contracts of pyproject.toml hold something: each reports the violation planted for it.

Contracts on missing modules abort the linter, so they name modules as these appear; the plan says which.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("runtime", "pallets", "genesis", "apps", "node")

# Contract → module (or package) that it must list once the module exists.
PLAN = {
    "Only the composition root knows pallets and compositions": (
        "node.consensus node.pool node.sync node.network node.storage node.rpc node.offchain node.chain"
        " node.authoring node.driver node.host node.keystore"
    ),
    "Deterministic and sans-IO code": (
        "runtime pallets node.consensus node.pool node.sync node.rpc.jsonrpc node.network.backoff"
        " node.network.cipher node.network.errors node.network.frames node.network.handshake"
        " node.network.identity node.network.limits node.network.messages node.network.multiaddr"
        " node.network.peer_store node.network.queues node.network.reassembly node.network.slots"
        " node.network.subnets"
    ),
}

PLANTS = {
    "Layers": {"runtime/primitives/planted.py": "import runtime.frame"},
    "Node layers": {"node/storage/planted.py": "import node.rpc"},
    "Only the composition root knows pallets and compositions": {"node/rpc/planted.py": "import pallets"},
    "Deterministic and sans-IO code": {"pallets/core/planted.py": "import time"},
    "Separate programs are clients": {"apps/planted.py": "import runtime.frame.event"},
    "Only the command line starts separate programs": {"node/cli_planted.py": "import apps.clock"},
    "Domains do not import each other": {
        "pallets/core/planted.py": "import pallets.token.types",
        "pallets/token/types.py": "",
    },
    "Pallets do not import each other": {
        "pallets/core/planted.py": "import pallets.core.other",
        "pallets/core/other.py": "",
    },
    "LevelDB only behind the key-value Protocol": {"node/planted.py": "import plyvel"},
    "Crypto wheels only in their wrapper modules": {"genesis/planted.py": "import nacl"},
}


def load_contracts() -> dict[str, dict[str, list[str]]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["name"]: contract for contract in config["tool"]["importlinter"]["contracts"]}


def is_present(module: str) -> bool:
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def copy_tree(target: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", target)
    ignore = shutil.ignore_patterns("__pycache__", "node_modules")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=ignore)


def test_contracts_list_every_module_of_the_plan_that_exists() -> None:
    contracts = load_contracts()
    for name, modules in PLAN.items():
        present = {module for module in modules.split() if is_present(module)}
        assert present <= set(contracts[name]["source_modules"]), name


def test_every_contract_has_a_planted_violation() -> None:
    assert PLANTS.keys() == load_contracts().keys()


def test_every_contract_reports_its_planted_violation(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    for files in PLANTS.values():
        for name, source in files.items():
            path = tmp_path / name
            path.write_text(path.read_text() + f"\n{source}\n" if path.exists() else f"{source}\n")
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
        "--no-cache",
    ]
    result = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1, result.stderr
    # A contract with exceptions reads "name BROKEN (n ignored imports)".
    pattern = r"^(.+) BROKEN(?: \(\d+ ignored imports?\))?$"
    broken = set(re.findall(pattern, result.stdout, re.MULTILINE))
    assert broken == set(PLANTS)
