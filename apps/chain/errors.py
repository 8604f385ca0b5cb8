"""What can go wrong between a program and a chain, one type for each thing that a program may do about it."""


class ClientError(Exception):
    """Base of everything that the library raises beside DecodeError and EncodeError."""


class ConnectionLost(ClientError):
    """The connection ended before the answer; whether the request took effect is unknown."""


class RequestTimeout(ClientError):
    """No answer came in time; whether the request took effect is unknown."""

    def __init__(self, method: str, timeout_s: float) -> None:
        super().__init__(f"{method} was not answered within {timeout_s} s")
        self.method = method
        self.timeout_s = timeout_s


class ProtocolFault(ConnectionLost):
    """The other side sent what is no JSON-RPC, and the connection was closed."""


class RpcFailure(ClientError):
    """The node answered with an error; codes are JSON-RPC's and Substrate's."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} ({code})" if data is None else f"{message} ({code}): {data}")
        self.code = code
        self.message = message
        self.data = data


class SubscriptionOverflow(ClientError):
    """Notices came faster than they were read; the subscription has ended."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} notices waited to be read")
        self.limit = limit


class MetadataError(ClientError):
    """Metadata is damaged, contradicts itself, or describes what cannot be encoded."""


class UnknownName(ClientError):
    """The runtime has nothing of this name; the message says what was looked for."""


class AnswerError(ClientError):
    """An answer of the node is not what the method promises."""


class OutcomeUnknown(ClientError):
    """A transaction of this nonce is in a finalized block; the node has discarded the state that tells which
    one, and whether it took effect."""


class TransactionFailed(ClientError):
    """A transaction cannot take effect any more."""


class Refused(TransactionFailed):
    """The node does not take the transaction; `failure` says why."""

    def __init__(self, failure: RpcFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Expired(TransactionFailed):
    """The era of the transaction has passed without it."""


class Superseded(TransactionFailed):
    """Another transaction took the nonce."""
