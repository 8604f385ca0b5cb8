"""Merlin transcripts: what sr25519 derives hard child keys with; they are not in the wheel that signs.

Responsible for the transcript alone (merlin 3.0, https://merlin.cool): STROBE-128 over Keccak-f[1600], of
which it uses the operations AD, meta-AD and PRF. It must not know what is said in a transcript. A
permutation costs about 0.2 ms, so nothing of a block's way may depend on it.
"""

RATE = 166
"""Bytes of the Keccak state that STROBE-128 touches between permutations; the rest is its capacity."""
STATE_BYTES = 200
FLAG_I, FLAG_A, FLAG_C, FLAG_M = 1, 2, 4, 16
PROTOCOL = b"Merlin v1.0"

_LANE_MASK = (1 << 64) - 1
_ROUNDS = 24
_ROTATIONS = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)
"""FIPS 202, table 2, modulo 64: of lane (x, y)."""


class Transcript:
    """What was said so far; challenges depend on every byte of it."""

    def __init__(self, label: bytes) -> None:
        """Begin a transcript of the protocol that the label names."""
        start = bytes([1, RATE + 2, 1, 0, 1, 96]) + b"STROBEv1.0.2"
        self._state = _permute(bytearray(start.ljust(STATE_BYTES, b"\0")))
        self._position = 0
        self._begin = 0
        self._operate(FLAG_M | FLAG_A, PROTOCOL)
        self.append(b"dom-sep", label)

    def append(self, label: bytes, message: bytes) -> None:
        """Say a message under a label."""
        self._name(label, len(message))
        self._operate(FLAG_A, message)

    def challenge(self, label: bytes, length: int) -> bytes:
        """Return so many bytes that follow from all that was said, and are themselves part of it."""
        self._name(label, length)
        self._operate(FLAG_I | FLAG_A | FLAG_C, b"")
        drawn = bytearray()
        for _ in range(length):
            drawn.append(self._state[self._position])
            self._state[self._position] = 0
            self._advance()
        return bytes(drawn)

    def _name(self, label: bytes, length: int) -> None:
        self._operate(FLAG_M | FLAG_A, label + length.to_bytes(4, "little"))

    def _operate(self, flags: int, data: bytes) -> None:
        begin, self._begin = self._begin, self._position + 1
        self._absorb(bytes([begin, flags]))
        if flags & FLAG_C and self._position:
            self._run()
        self._absorb(data)

    def _absorb(self, data: bytes) -> None:
        for byte in data:
            self._state[self._position] ^= byte
            self._advance()

    def _advance(self) -> None:
        self._position += 1
        if self._position == RATE:
            self._run()

    def _run(self) -> None:
        self._state[self._position] ^= self._begin
        self._state[self._position + 1] ^= 0x04
        self._state[RATE + 1] ^= 0x80
        self._state = _permute(self._state)
        self._position = self._begin = 0


def _permute(state: bytearray) -> bytearray:
    """Return Keccak-f[1600] of the state: FIPS 202, section 3.3, lanes little-endian."""
    lanes = [[int.from_bytes(state[8 * (x + 5 * y) :][:8], "little") for y in range(5)] for x in range(5)]
    for constant in _ROUND_CONSTANTS:
        parity = [column[0] ^ column[1] ^ column[2] ^ column[3] ^ column[4] for column in lanes]
        mixed = [
            [lane ^ parity[x - 1] ^ _rotate(parity[(x + 1) % 5], 1) for lane in lanes[x]] for x in range(5)
        ]
        moved = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                moved[y][(2 * x + 3 * y) % 5] = _rotate(mixed[x][y], _ROTATIONS[x][y])
        lanes = [
            [moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y]) for y in range(5)]
            for x in range(5)
        ]
        lanes[0][0] ^= constant
    return bytearray(b"".join(lanes[x][y].to_bytes(8, "little") for y in range(5) for x in range(5)))


def _rotate(lane: int, count: int) -> int:
    return (lane << count | lane >> 64 - count) & _LANE_MASK


def _compute_round_constants() -> tuple[int, ...]:
    """Return the constants of the step iota: FIPS 202, algorithm 5, a register of eight bits."""
    register, constants = 1, []
    for _ in range(_ROUNDS):
        constant = 0
        for bit in range(7):
            if register & 1:
                constant |= 1 << (1 << bit) - 1
            register <<= 1
            if register & 0x100:
                register ^= 0x171
        constants.append(constant)
    return tuple(constants)


_ROUND_CONSTANTS = _compute_round_constants()
