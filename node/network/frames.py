"""Sealed frames: one direction of a connection, each frame under the next counter of the direction's key.

Sans-IO. A frame that was changed, repeated, left out, reordered or reflected does not open, and nothing opens
after it. It must not know what frames hold.
"""

from typing import Final

from node.network.cipher import TAG_LENGTH, Cipher, CipherError

PLAINTEXT_MAX: Final = 128 * 1024 + 1
"""One piece of a message and its kind: a vote waits behind one piece at most, 10 ms at 100 Mbit/s."""
FRAME_MAX: Final = PLAINTEXT_MAX + TAG_LENGTH
"""Bytes of the longest frame; longer ones are refused before anything is decrypted."""
FRAMES_MAX: Final = 2**32
"""Frames under one key; the connection closes before the next one, and a new handshake makes new keys."""


class FrameError(Exception):
    """The frame cannot be opened or sealed; the connection has to close.

    Whoever can write to the socket can cause it, so the peer's identity is not to blame.
    """


class FrameSealer:
    """The sending direction."""

    def __init__(self, key: bytes, sealed: int = 0) -> None:
        self._cipher = Cipher(key)
        self._sealed = sealed

    def seal(self, plaintext: bytes) -> bytes:
        """Return the next frame; raises FrameError when the key has sealed 2^32 frames."""
        assert len(plaintext) <= PLAINTEXT_MAX
        if self._sealed >= FRAMES_MAX:
            raise FrameError("the key is used up")
        frame = self._cipher.seal(self._sealed, plaintext)
        self._sealed += 1
        return frame


class FrameOpener:
    """The receiving direction."""

    def __init__(self, key: bytes, opened: int = 0) -> None:
        self._cipher = Cipher(key)
        self._opened = opened
        self._is_broken = False

    def open(self, frame: bytes) -> bytes:
        """Return the next frame's plaintext; raises FrameError, then and ever after."""
        if self._is_broken or self._opened >= FRAMES_MAX:
            raise FrameError("no frame opens under this key any more")
        if len(frame) > FRAME_MAX:
            self._is_broken = True
            raise FrameError(f"a frame has at most {FRAME_MAX} bytes, not {len(frame)}")
        try:
            plaintext = self._cipher.open(self._opened, frame)
        except CipherError as error:
            self._is_broken = True
            raise FrameError(str(error)) from error
        self._opened += 1
        return plaintext
