"""The handshake of two nodes: three messages, then each knows the other's key and both share two keys.

Sans-IO and pure: ephemeral secrets are arguments, deadlines are the caller's. It must not know sockets,
frames or what the peers say afterwards. After CometBFT's SecretConnection, in the order of SIGMA-I (Krawczyk
2003):

    1  dialler  → listener   hello: magic, version, genesis hash, ephemeral X25519 key         70 bytes
    2  listener → dialler    its hello, then sealed: node key, signature                       70 + 112
    3  dialler  → listener   sealed: node key, signature                                       112

Every key is derived from the shared secret and a hash of all that was said before, with a label for its use;
every signature covers such a hash and the signer's role. Hence: a changed byte anywhere breaks what follows;
nothing said in one connection or role fits another; an identity is sealed under keys that only the signer's
counterpart has, so no third party can claim a handshake as its own. Both genesis hashes are in the
transcript, and whether they agree is judged after the signatures: who is banned for another genesis has
proved its key.
"""

from dataclasses import dataclass, field
from typing import Final

from node.network.cipher import (
    KEY_LENGTH,
    TAG_LENGTH,
    Cipher,
    CipherError,
    compute_ephemeral,
    compute_shared,
    derive_key,
)
from runtime.primitives.crypto import SIGNATURE_LENGTH, Keypair, Scheme, verify
from runtime.primitives.hashing import blake2_256

PROTOCOL: Final = b"loam/p2p"
MAGIC: Final = b"LOAM"
VERSION: Final = 2
GENESIS_LENGTH: Final = 32

HELLO_LENGTH: Final = len(MAGIC) + 2 + GENESIS_LENGTH + KEY_LENGTH
PROOF_LENGTH: Final = KEY_LENGTH + SIGNATURE_LENGTH + TAG_LENGTH
FIRST_LENGTH: Final = HELLO_LENGTH
SECOND_LENGTH: Final = HELLO_LENGTH + PROOF_LENGTH
THIRD_LENGTH: Final = PROOF_LENGTH

# Labels of keys and signatures; each names who uses it, so what one role made is worthless in the other.
_DIALLER: Final = b"dialler"
_LISTENER: Final = b"listener"
_PROOF: Final = b" proof"
_FRAMES: Final = b" frames"


class HandshakeError(Exception):
    """The handshake failed; the peer has proved nothing unless a subclass says so."""


class VersionError(HandshakeError):
    """The peer speaks another version of the protocol, or another protocol."""


class ProofError(HandshakeError):
    """The peer did not prove its key, or somebody changed a message on the way."""


class WrongPeerError(HandshakeError):
    """Another node than the one dialled answered, and proved its key `public`."""

    def __init__(self, public: bytes) -> None:
        super().__init__("another node answered")
        self.public = public


class OwnKeyError(HandshakeError):
    """The peer has our own key: we dialled ourselves, or a second node runs with our key."""


class WrongGenesisError(HandshakeError):
    """The peer `public` proved its key and another genesis.

    The dialler still sends `reply`, so that the listener learns the same; a listener has none.
    """

    def __init__(self, public: bytes, reply: bytes) -> None:
        super().__init__("the peer has another genesis")
        self.public = public
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: the node's ed25519 key pair and the genesis hash of the chain."""

    keypair: Keypair
    genesis: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """What a handshake leaves: the peer's proved key, and a key for each direction."""

    public: bytes
    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dialling:
    """A dialler that has said hello and waits for the second message."""

    hello: bytes
    _identity: Identity
    _secret: bytes = field(repr=False)
    _expected: bytes

    def finish(self, message: bytes) -> tuple[bytes, Session]:
        """Take the listener's answer and return the third message and the session; raises HandshakeError.

        The dialler's key is shown to nobody but the expected node.
        """
        if len(message) != SECOND_LENGTH:
            raise ProofError(f"the second message has {SECOND_LENGTH} bytes, not {len(message)}")
        theirs, sealed = message[:HELLO_LENGTH], message[HELLO_LENGTH:]
        shared = _agree(self._secret, self.hello, theirs)
        heard = _compute_transcript(self.hello, theirs)
        public = _open_proof(shared, heard, _LISTENER, sealed)
        if public == self._identity.keypair.public:
            raise OwnKeyError("the node dialled itself")
        if public != self._expected:
            raise WrongPeerError(public)
        heard = blake2_256(heard + sealed)
        reply = _seal_proof(shared, heard, _DIALLER, self._identity.keypair)
        if _get_genesis(theirs) != self._identity.genesis:
            raise WrongGenesisError(public, reply)
        return reply, _make_session(public, shared, blake2_256(heard + reply), (_DIALLER, _LISTENER))


@dataclass(frozen=True, slots=True)
class Answering:
    """A listener that has answered a hello with `answer` and waits for the third message."""

    answer: bytes
    _identity: Identity
    _shared: bytes = field(repr=False)
    _heard: bytes
    _is_genesis_right: bool

    def finish(self, message: bytes) -> Session:
        """Take the dialler's proof and return the session; raises HandshakeError."""
        if len(message) != THIRD_LENGTH:
            raise ProofError(f"the third message has {THIRD_LENGTH} bytes, not {len(message)}")
        public = _open_proof(self._shared, self._heard, _DIALLER, message)
        if public == self._identity.keypair.public:
            raise OwnKeyError("the node was dialled by itself")
        if not self._is_genesis_right:
            raise WrongGenesisError(public, b"")
        return _make_session(public, self._shared, blake2_256(self._heard + message), (_LISTENER, _DIALLER))


def dial(identity: Identity, secret: bytes, expected: bytes) -> Dialling:
    """Begin as the dialler of the node with the public key `expected`.

    `secret` is 32 fresh random bytes, never used before.
    """
    assert len(expected) == KEY_LENGTH
    return Dialling(_make_hello(identity, secret), identity, secret, expected)


def answer(identity: Identity, secret: bytes, message: bytes) -> Answering:
    """Answer a dialler's hello; `secret` as in `dial`; raises HandshakeError."""
    if len(message) != FIRST_LENGTH:
        raise ProofError(f"the first message has {FIRST_LENGTH} bytes, not {len(message)}")
    own = _make_hello(identity, secret)
    shared = _agree(secret, own, message)
    heard = _compute_transcript(message, own)
    sealed = _seal_proof(shared, heard, _LISTENER, identity.keypair)
    is_genesis_right = _get_genesis(message) == identity.genesis
    return Answering(own + sealed, identity, shared, blake2_256(heard + sealed), is_genesis_right)


def _make_hello(identity: Identity, secret: bytes) -> bytes:
    assert identity.keypair.scheme is Scheme.ED25519
    assert len(identity.genesis) == GENESIS_LENGTH
    return MAGIC + VERSION.to_bytes(2, "little") + identity.genesis + compute_ephemeral(secret)


def _get_genesis(hello: bytes) -> bytes:
    return hello[len(MAGIC) + 2 : -KEY_LENGTH]


def _agree(secret: bytes, own: bytes, theirs: bytes) -> bytes:
    """Check the peer's hello and return the shared secret."""
    if not theirs.startswith(MAGIC):
        raise VersionError("the peer speaks another protocol")
    version = int.from_bytes(theirs[len(MAGIC) : len(MAGIC) + 2], "little")
    if version != VERSION:
        raise VersionError(f"the peer speaks version {version}, we speak {VERSION}")
    ephemeral = theirs[-KEY_LENGTH:]
    if ephemeral == own[-KEY_LENGTH:]:
        raise ProofError("the peer returned our own ephemeral key")
    try:
        return compute_shared(secret, ephemeral)
    except CipherError as error:
        raise ProofError(str(error)) from error


def _compute_transcript(dialler_hello: bytes, listener_hello: bytes) -> bytes:
    return blake2_256(PROTOCOL + dialler_hello + listener_hello)


def _seal_proof(shared: bytes, heard: bytes, role: bytes, keypair: Keypair) -> bytes:
    signature = keypair.sign(_compute_signed(heard, role))
    return Cipher(derive_key(shared, heard, role + _PROOF)).seal(0, keypair.public + signature)


def _open_proof(shared: bytes, heard: bytes, role: bytes, sealed: bytes) -> bytes:
    """Return the public key that the peer in this role has proved to have; raises ProofError."""
    try:
        proof = Cipher(derive_key(shared, heard, role + _PROOF)).open(0, sealed)
    except CipherError as error:
        raise ProofError("the proof was not sealed in this handshake") from error
    public, signature = proof[:KEY_LENGTH], proof[KEY_LENGTH:]
    if not verify(Scheme.ED25519, public, signature, _compute_signed(heard, role)):
        raise ProofError("the signature is not that of the claimed key")
    return public


def _compute_signed(heard: bytes, role: bytes) -> bytes:
    return PROTOCOL + b" " + role + b":" + heard


def _make_session(public: bytes, shared: bytes, heard: bytes, roles: tuple[bytes, bytes]) -> Session:
    own, theirs = roles
    return Session(
        public, derive_key(shared, heard, own + _FRAMES), derive_key(shared, heard, theirs + _FRAMES)
    )
