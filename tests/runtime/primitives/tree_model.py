"""The state tree by its definition: a recursion over a dict, slow and independent of the real one."""

from collections.abc import Mapping

from blake3 import blake3

# Little-endian numbers, found by trial: eighteen whose paths begin 9e76, ten that begin 9e7, and others.
SHARE_FOUR_NIBBLES = (
    3145, 57530, 86818, 102505, 105733, 119840, 131039, 191227, 213271,
    217208, 271397, 324591, 347008, 347970, 359899, 378628, 386068, 392576,
)  # fmt: skip
SHARE_THREE_NIBBLES = (2729, 3339, 5451, 5622, 10260, 15078, 16593, 18672, 19832, 21948)


def make_key(number: int) -> bytes:
    return number.to_bytes(4, "little")


CROWDED_KEYS = tuple(make_key(number) for number in SHARE_FOUR_NIBBLES + SHARE_THREE_NIBBLES)
POOL = CROWDED_KEYS + tuple(make_key(number) for number in range(28))


def compute_model_root(values: Mapping[bytes, bytes]) -> bytes:
    """Return the root of the tree over raw keys and values."""
    return _hash_subtree(_hash_all(values), "")


def make_model_proof(values: Mapping[bytes, bytes], key: bytes) -> bytes:
    """Return the proof for a raw key, written out by the format's description."""
    leaves = _hash_all(values)
    path = blake3(key).hexdigest()
    proof = b""
    depth = 0
    while _count_under(leaves, path[:depth]) > 16:
        bitmap = 0
        siblings = b""
        for nibble in "0123456789abcdef":
            child = path[:depth] + nibble
            if nibble != path[depth] and _count_under(leaves, child) > 0:
                bitmap += 2 ** int(nibble, 16)
                siblings += _hash_subtree(leaves, child)
        proof += bytes([bitmap % 256, bitmap // 256]) + siblings
        depth += 1
    others = sorted(other for other in leaves if other.startswith(path[:depth]) and other != path)
    proof += bytes([len(others)])
    for other in others:
        proof += bytes.fromhex(other) + leaves[other]
    if key in values:
        return bytes([1, depth]) + proof + values[key]
    return bytes([0, depth]) + proof


def _hash_all(values: Mapping[bytes, bytes]) -> dict[str, bytes]:
    return {blake3(key).hexdigest(): blake3(value).digest() for key, value in values.items()}


def _count_under(leaves: Mapping[str, bytes], prefix: str) -> int:
    return sum(1 for path in leaves if path.startswith(prefix))


def _hash_subtree(leaves: Mapping[str, bytes], prefix: str) -> bytes:
    under = {path: leaf for path, leaf in leaves.items() if path.startswith(prefix)}
    if not under:
        return blake3(b"\0").digest()
    if len(under) <= 16:
        entries = [bytes.fromhex(path) + under[path] for path in sorted(under)]
        return blake3(b"\1" + b"".join(entries)).digest()
    children = [_hash_subtree(under, prefix + nibble) for nibble in "0123456789abcdef"]
    return blake3(b"\2" + b"".join(children)).digest()


def make_model_range(
    values: Mapping[bytes, bytes], start: bytes, count: int
) -> tuple[list[tuple[bytes, bytes]], bytes, bytes | None]:
    """Return keys and values of a chunk, its proof written out by the description, and the next start."""
    by_path = sorted((blake3(key).hexdigest(), key) for key in values)
    ahead = [(path, key) for path, key in by_path if path >= start.hex()]
    chunk = ahead[:count]
    last = chunk[-1][0] if chunk else "f" * 64
    following = f"{int(last, 16) + 1:064x}" if len(ahead) > count else None
    proof = _open(_hash_all(values), "", start.hex(), last)
    return (
        [(key, values[key]) for _, key in chunk],
        proof,
        None if following is None else bytes.fromhex(following),
    )


def _is_covered(prefix: str, start: str, last: str) -> bool:
    return start <= prefix.ljust(64, "0") and prefix.ljust(64, "f") <= last


def _is_outside(prefix: str, start: str, last: str) -> bool:
    return prefix.ljust(64, "f") < start or prefix.ljust(64, "0") > last


def _open(leaves: Mapping[str, bytes], prefix: str, start: str, last: str) -> bytes:
    if _is_covered(prefix, start, last) or _is_outside(prefix, start, last):
        return b""
    under = sorted(path for path in leaves if path.startswith(prefix))
    if len(under) <= 16:
        outside = [path for path in under if not start <= path <= last]
        return bytes([len(outside)]) + b"".join(bytes.fromhex(path) + leaves[path] for path in outside)
    children = [prefix + nibble for nibble in "0123456789abcdef"]
    shown = [
        child
        for child in children
        if _is_outside(child, start, last) and any(path.startswith(child) for path in under)
    ]
    bitmap = sum(2 ** int(child[-1], 16) for child in shown)
    hashes = b"".join(_hash_subtree(leaves, child) for child in shown)
    below = b"".join(_open(leaves, child, start, last) for child in children)
    return b"\xff" + bytes([bitmap % 256, bitmap // 256]) + hashes + below
