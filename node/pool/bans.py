"""Hashes that may not come back for a while, so that invalid transactions cost their check only once.

Bounded and sans-IO: time is given by the caller, and never goes back. One list has one ban time, so the
order of insertion is the order of expiry.
"""


class BanList:
    """Banned hashes with the moment each ban ends."""

    def __init__(self, ban_ms: int, count_max: int) -> None:
        self._ban_ms = ban_ms
        self._count_max = count_max
        self._until: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, transaction: bytes) -> bool:
        return transaction in self._until

    def ban(self, transaction: bytes, now_ms: int) -> None:
        """Ban the hash from now on; the oldest bans give way when the list is full."""
        self._until.pop(transaction, None)
        self._until[transaction] = now_ms + self._ban_ms
        if len(self._until) > self._count_max:
            self._shrink(now_ms)

    def is_banned(self, transaction: bytes, now_ms: int) -> bool:
        """Tell whether the ban of this hash still lasts; a ban that is over is forgotten."""
        until_ms = self._until.get(transaction)
        if until_ms is None:
            return False
        if until_ms > now_ms:
            return True
        del self._until[transaction]
        return False

    def _shrink(self, now_ms: int) -> None:
        # One pass for many bans: deleting one leading key at a time makes each look for the first key linear.
        keep = [(key, until) for key, until in self._until.items() if until > now_ms]
        self._until = dict(keep[-(self._count_max - self._count_max // 4) :])
