"""A configuration is taken as it is meant, or refused with the place of the mistake."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.config import FILE_BYTES_MAX, list_feeds, load_config, parse_genesis
from apps.gateway.errors import ConfigFault
from apps.gateway.example import EXAMPLE
from apps.gateway.service import check_sources
from apps.gateway.settings import SOURCES_MAX, CsvSource, HttpSource, MqttSource, Secret
from tests.support.gateway import BASE, KEY, parse

FOLDER = Path("/etc/loam")
PRICE = 'at = "/price"'
HTTP = 'kind = "http"'
URL = 'url = "http://127.0.0.1:8000/price"'
ACCOUNT = 'account = { env = "GATEWAY_ACCOUNT" }'
NODES = 'nodes = ["ws://127.0.0.1:9944", "ws://127.0.0.1:9945"]'
VALUES = f'sources.exchange.values."{KEY}"'


def test_the_least_configuration_has_the_defaults() -> None:
    config = parse()
    source = config.sources["exchange"]
    assert isinstance(source, HttpSource)
    assert (source.interval_ms, source.timeout_ms, source.bytes_max) == (2_000, 3_000, 64 << 10)
    assert (config.state, config.port, config.fault) == ("/etc/loam/state", None, None)
    assert list_feeds(config) == (KEY,)
    assert parse_genesis(config) is None


def test_numbers_are_decimal_and_paths_stand_beside_the_file() -> None:
    text = BASE.replace(PRICE, f"{PRICE}\nscale = 0.1\noffset = -3").replace(
        ACCOUNT, 'account = { file = "a" }'
    )
    config = parse(text + '[sources.t]\nkind = "csv"\nfile = "t.csv"\nrow-ms = 5\nvalues."b".column = "x"\n')
    source, table = config.sources["exchange"], config.sources["t"]
    assert isinstance(source, HttpSource)
    assert isinstance(table, CsvSource)
    assert (source.values[KEY].scale, source.values[KEY].offset) == (Decimal("0.1"), Decimal(-3))
    assert config.provider.account == Secret(file="/etc/loam/a")
    assert table.file == "/etc/loam/t.csv"
    assert list_feeds(config) == ("b", KEY)


def test_the_example_is_right_and_its_tables_are_there() -> None:
    config = parse(EXAMPLE)
    check_sources(config)
    assert len(list_feeds(config)) == 6


def test_what_the_example_leaves_out_is_right_too() -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines()]

    def shown(first: str, last: str) -> str:
        return "\n".join(lines[lines.index(first) : lines.index(last) + 1]) + "\n"

    start = EXAMPLE.partition("[sources.market]")[0]
    exchange, grid = shown("[sources.exchange]", "# offset = 0"), shown("[sources.grid]", 'at = "/mw"')
    config = parse(start + exchange + grid)
    assert isinstance(config.sources["exchange"], HttpSource)
    assert isinstance(config.sources["grid"], MqttSource)


WRONG = [
    (NODES, "nodes = []", "nodes: expected a list of length >= 1"),
    (NODES, 'nodes = "ws://a"', "nodes: expected a list, got text"),
    (NODES, "nodes = [5]", "nodes[0]: expected text"),
    (NODES, 'nodes = ["http://a"]', "nodes[0]: expected an address that begins with ws:// or wss://"),
    (NODES, 'nodes = ["ws://a", "ws://a"]', "nodes: one is listed twice"),
    (NODES, f"nodes = {[f'ws://a:{n}' for n in range(1, 18)]}", "nodes: expected a list of length <= 16"),
    (NODES, "", "missing: `nodes`"),
    ('state = "state"', "", "missing: `state`"),
    ('state = "state"', 'state = "s"\nprot = 1', "prot: unknown setting; did you mean port?"),
    ('state = "state"', 'state = "s"\nport = 65536', "port: expected a whole number <= 65535"),
    ('state = "state"', 'state = "s"\nport = "9700"', "port: expected a whole number, got text"),
    ('state = "state"', 'state = "s"\ngenesis = "0x12"', "genesis: expected 0x and 64 hex digits"),
    ('state = "state"', 'state = "s"\nfault.kind = "lazy"', "fault.kind: invalid"),
    (ACCOUNT, 'account = "//Alice"', "provider.account: expected a table, got text"),
    (ACCOUNT, "account = {}", "provider.account: expected one of"),
    (ACCOUNT, 'account = { env = "A", prompt = true }', "provider.account: expected one of"),
    (ACCOUNT, f'{ACCOUNT}\noracle-key = "//Alice"', "provider.oracle-key: expected 0x and 64 hex digits"),
    (ACCOUNT, f'{ACCOUNT}\nscheme = "ecdsa"', "provider.scheme: invalid"),
    ("[sources.exchange]", "[sources.Exchange]", "sources.Exchange: a source's name is"),
    (HTTP, 'kind = "ftp"', "sources.exchange.kind: invalid value 'ftp'"),
    (HTTP, "", "sources.exchange: missing: `kind`"),
    (HTTP, f"{HTTP}\ninterval = 5", "sources.exchange.interval: unknown setting; did you mean interval-ms?"),
    (HTTP, f"{HTTP}\ninterval-ms = 99", "sources.exchange.interval-ms: expected a whole number >= 100"),
    (HTTP, f"{HTTP}\ninterval-ms = 1.5", "sources.exchange.interval-ms: expected a whole number"),
    (HTTP, f"{HTTP}\nbackoff-first-ms = 40000", "sources.exchange.backoff-first-ms: longer than"),
    (HTTP, f"{HTTP}\nrequests-per-minute = 0", "sources.exchange.requests-per-minute: expected"),
    (
        HTTP,
        f"{HTTP}\nauth = {{ kind = 'bearer', secret = 'x' }}",
        "sources.exchange.auth.secret: expected a table",
    ),
    (
        HTTP,
        f"{HTTP}\nauth = {{ kind = 'bearer', secret = {{}} }}",
        "sources.exchange.auth.secret: expected one of",
    ),
    (HTTP, f"{HTTP}\nauth = {{ kind = 'api-key', header = 'a b', secret = {{ env = 'X' }} }}", "auth.header"),
    (HTTP, f"{HTTP}\nheaders = {{ Authorization = 'x' }}", "is a secret: use auth"),
    (HTTP, f'{HTTP}\nheaders = {{ A = "x\\ny" }}', "no header of printable ASCII"),
    (
        URL,
        'url = "file:///etc/passwd"',
        "sources.exchange.url: expected an address that begins with http:// or",
    ),
    (URL, 'url = "http://u:p@a/"', "sources.exchange.url: secrets do not belong into addresses"),
    (URL, 'url = "http://a:99999/"', "sources.exchange.url: no address"),
    (URL, 'url = "http://"', "sources.exchange.url: expected an address"),
    (PRICE, "", f"{VALUES}: missing: `at`"),
    (PRICE, 'at = "price"', f"{VALUES}.at: a JSON pointer begins with /"),
    (PRICE, f"{PRICE}\ntime-at = 'x'", f"{VALUES}.time-at: a JSON pointer begins with /"),
    (PRICE, f"{PRICE}\ntime-format = 'rfc'", f"{VALUES}.time-format: invalid"),
    (PRICE, f"{PRICE}\nscale = 0", f"{VALUES}.scale: 0 makes every value the same"),
    (PRICE, f"{PRICE}\nscale = nan", f"{VALUES}.scale: expected a finite number"),
    (PRICE, f"{PRICE}\nscale = 1e99", f"{VALUES}.scale: expected a finite number"),
    (PRICE, f"{PRICE}\nscale = true", f"{VALUES}.scale: expected a number, got true or false"),
    (PRICE, f"{PRICE}\noffset = inf", f"{VALUES}.offset: expected a finite number"),
    (PRICE, f"{PRICE}\nunit = 'MW'", f"{VALUES}.unit: unit and unit-at belong together"),
    (PRICE, f"{PRICE}\n[feeds.'price/enrgy']\n", f"no source has a value of it; did you mean {KEY}?"),
    (PRICE, f"{PRICE}\n[feeds.'{KEY}']\nsources-min = 2", "only 1 sources have a value of it"),
    (PRICE, f"{PRICE}\n[feeds.'{KEY}']\nconfirm = 17", "confirm: expected a whole number <= 16"),
    (f"[{VALUES}]\n{PRICE}", "", "has no value: name one as"),
    (f'values."{KEY}"]', f'values."{"k" * 33}"]', "a feed's key has 1 to 32 bytes"),
]


@pytest.mark.parametrize(("part", "other", "message"), WRONG, ids=[f"{one[1][:40]!r}" for one in WRONG])
def test_a_mistake_is_named_with_its_place(part: str, other: str, message: str) -> None:
    text = BASE.replace(part, other)
    assert text != BASE
    with pytest.raises(ConfigFault) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 5", "not valid TOML"),
        ("a = " + "[" * 2_000, "not valid TOML"),
        ("a = " + "9" * 5_000, "not valid TOML"),
        ("sources = 5", "sources: expected a table"),
        ("sources.a = 5\n" + BASE.partition("[sources")[0], "sources.a: expected a table"),
        ("feeds = []", "feeds: expected a table"),
        ("", "missing: `nodes`"),
    ],
    ids=lambda text: text[:20],
)
def test_a_text_that_is_no_configuration_at_all_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        parse(text)
    assert message in str(caught.value)


def test_more_sources_than_the_limit_are_refused() -> None:
    def with_sources(count: int) -> str:
        table = 'kind = "csv"\nfile = "t"\nrow-ms = 1\nvalues."b".column = "x"\n'
        return BASE + "".join(f"[sources.s{n}]\n{table}" for n in range(count - 1))

    assert len(parse(with_sources(SOURCES_MAX)).sources) == SOURCES_MAX
    with pytest.raises(ConfigFault, match=f"sources: at most {SOURCES_MAX}"):
        parse(with_sources(SOURCES_MAX + 1))


def test_a_file_is_named_in_front_of_its_mistake(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("port = 1\n")
    with pytest.raises(ConfigFault, match=f"^{path}: .*missing"):
        load_config(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "cannot be read"), (b"\xff", "not UTF-8"), (b"#" * (FILE_BYTES_MAX + 1), "larger than")],
    ids=["missing", "bytes", "large"],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "gateway.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigFault, match=message):
        load_config(path)


@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_a_fault(text: str) -> None:
    with pytest.raises(ConfigFault):
        parse(text)
