"""The wallet libraries under test, and zombienet, each in an environment of its own, made from its lock file
on demand.

`python -m tests.wallets.environments` makes all of them; `… lock` resolves the lock files anew. It knows
where the libraries live and how their scenario programs start, and nothing of the scenarios.

polkadot-api brings its code generator (`@polkadot-api/cli`, a compiler and a bundler with it) as a dependency
that the library never imports; papi/package.json overrides it with a small package of the same authors.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLIENTS = HERE / "clients"
NODE_VERSION_MIN = 20
INSTALL_TIMEOUT_S = 600


class EnvironmentMissing(Exception):
    """A tool that a client needs is not on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Client:
    """A wallet library; `account` names the funded development account that is its scenarios' own."""

    name: str
    account: str
    venv: str | None = None
    parent: Path = CLIENTS

    @property
    def folder(self) -> Path:
        return self.parent / self.name

    @property
    def lock(self) -> Path:
        return self.folder / ("requirements.lock" if self.venv else "package-lock.json")

    @property
    def stamp(self) -> Path:
        return (ROOT / self.venv if self.venv else self.folder / "node_modules") / ".installed"

    @property
    def python(self) -> Path:
        assert self.venv is not None
        return ROOT / self.venv / "bin" / "python"

    def script(self, name: str) -> list[str]:
        """The command line of one of the client's programs; run it in the root of the repository."""
        if self.venv:
            return [str(self.python), "-m", f"tests.wallets.clients.{self.name}.{name}"]
        return [_node(), str(self.folder / f"{name}.mjs")]


EVERY = {
    client.name: client
    for client in (
        Client("polkadot_js", "Bob"),
        Client("polkadot_js_10", "Charlie"),
        Client("papi", "Dave"),
        Client("substrate_interface", "Eve", ".venv-py-client"),
        Client("async_substrate", "Ferdie", ".venv-async-client"),
    )
}

ZOMBIENET = Client("zombienet", "", parent=HERE.parent / "networks")
"""No wallet: the tool of tests/networks that drives whole networks of Substrate nodes."""


def _node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise EnvironmentMissing(f"Node.js ≥ {NODE_VERSION_MIN} with npm is not installed")
    return node


def _python() -> str:
    return shutil.which("python3.11") or sys.executable


def _check_node() -> None:
    told = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(told.lstrip("v").split(".")[0]) < NODE_VERSION_MIN:
        raise EnvironmentMissing(f"Node.js {told} is too old: the wallet libraries need {NODE_VERSION_MIN}")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise EnvironmentMissing(
            f"`{' '.join(command)}` in {folder} failed:\n{done.stdout}{done.stderr}"[-4000:]
        )


def _fingerprint(client: Client) -> str:
    return hashlib.sha256(client.lock.read_bytes() + _python().encode()).hexdigest()


def prepare(client: Client) -> None:
    """Make the client's environment unless the one on disk comes from the same lock file.

    Raises EnvironmentMissing when Node.js is absent or an installation fails.
    """
    if client.venv is None:
        _check_node()
    with client.lock.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        wanted = _fingerprint(client)
        if client.stamp.exists() and client.stamp.read_text() == wanted:
            return
        if client.venv:
            _run([_python(), "-m", "venv", "--clear", str(ROOT / client.venv)], ROOT)
            pip = [str(client.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--require-hashes", "--no-deps", "-r", str(client.lock)], ROOT)
        else:
            _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], client.folder)
        client.stamp.write_text(wanted)


def resolve(client: Client) -> None:
    """Write the client's lock file anew, without addresses: exact versions and hashes only."""
    if client.venv:
        compiler = [
            sys.executable,
            "-m",
            "piptools",
            "compile",
            "-q",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        ]
        quiet = ["--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--strip-extras"]
        _run([*compiler, *quiet, "-o", client.lock.name, "requirements.in"], client.folder)
        return
    client.lock.unlink(missing_ok=True)
    _run(
        ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"],
        client.folder,
    )
    lock = json.loads(client.lock.read_text())
    for package in lock["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    client.lock.write_text(json.dumps(lock, indent=2) + "\n")


def main() -> None:
    """Prepare or resolve every client, one line each."""
    action = resolve if sys.argv[1:] == ["lock"] else prepare
    for client in (*EVERY.values(), ZOMBIENET):
        try:
            action(client)
        except EnvironmentMissing as missing:
            sys.exit(f"wallet client {client.name}: {missing}")
        sys.stdout.write(f"wallet client {client.name}: ready\n")


if __name__ == "__main__":
    main()
