"""The example manifests run: nodes crash, are cut off and come late, and in the end all agree."""

import re
from pathlib import Path

import pytest

from node.config import ExitCode
from node.devnet.processes import is_alive
from tests.processes.devnet import running_devnet

MANIFESTS = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.net
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("devnet")
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_network_of_the_manifest_comes_to_its_end(tmp_path: Path, path: Path) -> None:
    with running_devnet(tmp_path, "--manifest", str(path)) as devnet:
        processes = devnet.processes()
        assert devnet.process.wait(150) == ExitCode.OK, devnet.read_errors()
        events = devnet.read_errors().splitlines()
        verbs = {line.split()[0] for line in events}
        assert verbs >= (
            {"kill", "restart"} if "kill" in path.stem else {"start", "pause", "resume", "restart"}
        )
        (agreed,) = (line for line in events if line.startswith("all nodes agree"))
        assert re.fullmatch(r"all nodes agree on block #1\d 0x[0-9a-f]{64}", agreed)
        if "load" in path.read_text():
            (load,) = (line for line in events if line.startswith("load"))
            assert int(load.split()[1]) > 20, load
        assert events[-1] == "stopping"
        assert not any(is_alive(process) for process in processes)
        assert not devnet.base.exists()
