"""`loam gateway` checks everything before it starts, and takes secrets from their owner's files alone."""

from pathlib import Path

import pytest

from apps.gateway.config import parse_config
from apps.gateway.errors import ConfigFault
from apps.gateway.example import EXAMPLE
from node.cli.gateway import read_secrets
from node.config import ExitCode
from runtime.primitives.crypto import Keypair, Scheme
from tests.node.cli.running import Loam
from tests.support.gateway import BASE

VARIABLE = "GATEWAY_ACCOUNT"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example as its first lines say to set it up."""
    path = tmp_path / "gateway.toml"
    path.write_text(EXAMPLE)
    secret = tmp_path / "alice.secret"
    secret.write_text("//Alice\n")
    secret.chmod(0o600)
    return path


def test_the_example_is_printed_and_passes_its_check(loam: Loam, example: Path) -> None:
    assert loam.ok("gateway", "--example") == EXAMPLE
    outcome = loam("gateway", "--config", example, "--check-config")
    assert (outcome.code, outcome.err) == (0, "The configuration is right: 3 sources, 6 feeds.\n")


def test_a_check_leaves_nothing_behind(loam: Loam, example: Path) -> None:
    loam.ok("gateway", "--config", example, "--check-config")
    assert sorted(one.name for one in example.parent.iterdir()) == ["alice.secret", "gateway.toml"]


def test_without_a_configuration_the_way_to_one_is_named(loam: Loam) -> None:
    assert "loam gateway --example" in loam.fail(ExitCode.USAGE, "gateway")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("port = 9700", "port = 97000"), "port: expected a whole number <= 65535"),
        (("builtin:load.csv", "builtin:none.csv"), "sources.meter.file"),
        (("load_total_wh", "load_kwh"), "no column 'load_kwh'"),
        (("alice.secret", "bob.secret"), "does not exist"),
    ],
)
def test_a_mistake_ends_with_its_place(
    loam: Loam, example: Path, change: tuple[str, str], message: str
) -> None:
    example.write_text(EXAMPLE.replace(*change))
    outcome = loam("gateway", "--config", example, "--check-config")
    assert outcome.code in {ExitCode.CONFIG, ExitCode.KEY_MISSING}
    assert message in outcome.err


def test_a_secret_that_others_can_read_is_refused(loam: Loam, example: Path) -> None:
    (example.parent / "alice.secret").chmod(0o640)
    outcome = loam("gateway", "--config", example, "--check-config")
    assert outcome.code != 0
    assert "open to others (mode 0640); run: chmod 600" in outcome.err


def test_a_secret_that_is_none_is_refused_without_repeating_it(loam: Loam, example: Path) -> None:
    (example.parent / "alice.secret").write_text("correct horse battery staple")
    error = loam.fail(ExitCode.CONFIG, "gateway", "--config", example, "--check-config")
    assert "provider.account: no secret URI" in error
    assert "horse" not in error


def test_an_unknown_fault_is_refused(loam: Loam, example: Path) -> None:
    error = loam.fail(ExitCode.CONFIG, "gateway", "--config", example, "--fault", "lazy", "--check-config")
    assert "lying, dead, flapping" in error


def test_a_wrong_log_filter_is_refused(loam: Loam, example: Path) -> None:
    assert "--log" in loam.fail(ExitCode.CONFIG, "gateway", "--config", example, "-l", "loud=very")


def test_secrets_come_from_variables_and_prompts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " //Bob ")
    monkeypatch.setenv("TOKEN", "hush")
    token = 'kind = "http"\nauth = { kind = "bearer", secret = { env = "TOKEN" } }'
    secrets = read_secrets(parse_config(BASE.replace('kind = "http"', token), Path()), None)
    assert secrets.signer.account_id == Keypair.from_uri("//Bob", Scheme.SR25519).account_id
    assert secrets.tokens == {"exchange": "hush"}

    asked: list[str] = []

    def ask(place: str) -> str:
        asked.append(place)
        return "//Dave"

    text = BASE.replace(f'env = "{VARIABLE}"', "prompt = true").replace("}\n", '}\nscheme = "ed25519"\n', 1)
    prompted = read_secrets(parse_config(text, Path()), ask)
    assert prompted.signer.account_id == Keypair.from_uri("//Dave", Scheme.ED25519).account_id
    assert asked == ["provider.account"]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigFault, match=f"provider.account: the environment variable {VARIABLE} is empty"):
        read_secrets(parse_config(BASE, Path()), None)


@pytest.mark.parametrize("token", ["a\nb", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv(VARIABLE, "//Bob")
    monkeypatch.setenv("TOKEN", token)
    with_auth = 'kind = "http"\nauth = { kind = "bearer", secret = { env = "TOKEN" } }'
    with pytest.raises(ConfigFault, match=r"sources\.exchange\.auth\.secret: is no printable ASCII"):
        read_secrets(parse_config(BASE.replace('kind = "http"', with_auth), Path()), None)
