"""Log lines as people read them: Substrate's words where scripts grep for them, else `event key=value`.

Pure text. Whatever a peer or a user sent is escaped here: no line breaks, moves the cursor or runs on.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

VALUE_LENGTH_MAX = 256
EVENT_LENGTH_MAX = 1024

Fields = Mapping[str, object]


def render_line(event: str, fields: Fields) -> str:
    """Return an event's text: its phrase if there is one and its fields are given, else event and fields."""
    phrase = PHRASES.get(event)
    if phrase is not None:
        try:
            return phrase(fields)
        except KeyError:
            pass
    shown = " ".join(f"{key}={render_value(value)}" for key, value in fields.items())
    return f"{escape(event, EVENT_LENGTH_MAX)} {shown}".rstrip()


def render_value(value: object) -> str:
    """Return a value on one line: bytes as hex, text with blanks in quotes, everything cut at a limit."""
    match value:
        case bytes() | bytearray() | memoryview():
            data = bytes(value[:VALUE_LENGTH_MAX])
            return "0x" + data[:32].hex() + ("…" if len(value) > 32 else "")
        case str():
            text = escape(value, VALUE_LENGTH_MAX)
            return text if text and not set(text) & set(" =\"'") else f'"{text}"'
        case _:
            return escape(str(value), VALUE_LENGTH_MAX)


def escape(text: str, limit: int) -> str:
    """Return printable text of at most `limit` characters, counting the mark of the cut."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text
    )


def shorten_hash(value: object) -> str:
    """Return a 32-byte hash, raw or in hex, as Substrate shows it: 0x1234…abcd."""
    text = (
        bytes(value).hex()
        if isinstance(value, bytes | bytearray | memoryview)
        else str(value).removeprefix("0x")
    )
    return f"0x{text[:4]}…{text[-4:]}" if len(text) > 8 else f"0x{text}"


def _blocks(fields: Fields) -> str:
    best, finalized = shorten_hash(fields["best_hash"]), shorten_hash(fields["finalized_hash"])
    rates = f"⬇ {fields['download_kib']} kiB/s ⬆ {fields['upload_kib']} kiB/s"
    return f"best: #{fields['best']} ({best}), finalized #{fields['finalized']} ({finalized}), {rates}"


def _idle(fields: Fields) -> str:
    return f"Idle ({fields['peers']} peers), {_blocks(fields)}"


def _syncing(fields: Fields) -> str:
    goal = f"target=#{fields['target']} ({fields['peers']} peers)"
    return f"Syncing {fields['bps']} bps, {goal}, {_blocks(fields)}"


def _warping(fields: Fields) -> str:
    if fields["number"] is None:
        return f"Warping, looking for a recent block ({fields['peers']} peers)"
    goal = f"target=#{fields['number']} ({fields['peers']} peers)"
    rate = f"⬇ {fields['download_kib']} kiB/s"
    return f"Warping {fields['percent']} %, {goal}, {fields['entries']} entries, {rate}"


def _imported(fields: Fields) -> str:
    return f"Imported #{fields['number']} ({shorten_hash(fields['parent'])} → {shorten_hash(fields['hash'])})"


def _prepared(fields: Fields) -> str:
    return (
        f"Prepared block for proposing at {fields['number']} ({fields['took_ms']} ms)"
        f" hash: {shorten_hash(fields['hash'])}; parent_hash: {shorten_hash(fields['parent'])};"
        f" extrinsics_count: {fields['extrinsics']}"
    )


def _listening(fields: Fields) -> str:
    addresses = fields["addresses"]
    shown = ",".join(map(str, addresses)) if isinstance(addresses, list | tuple) else addresses
    return f"Running JSON-RPC server: addr={shown}"


_PHRASES: dict[str, Callable[[Fields], str]] = {
    "node_idle": _idle,
    "node_syncing": _syncing,
    "state_downloading": _warping,
    "block_imported": _imported,
    "block_prepared": _prepared,
    "rpc_listening": _listening,
}
PHRASES = MappingProxyType(_PHRASES)
