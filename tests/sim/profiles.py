"""What goes wrong in a run, by name, and which adversaries are in it."""

from typing import Final, NamedTuple

LOSS: Final = "loss"
DELAY: Final = "delay"
REPEATS: Final = "repeats"
PARTITION: Final = "partition"
CRASH: Final = "crash"
DEAF: Final = "deaf"
CLOCK: Final = "clock"
DISK: Final = "disk"

TWINS: Final = "twins"
FORGER: Final = "forger"
MUTATOR: Final = "mutator"
SILENT: Final = "silent"
SLOW: Final = "slow"
SPAMMER: Final = "spammer"
DESERTER: Final = "deserter"
ADVERSARIES: Final = (TWINS, FORGER, MUTATOR, SILENT, SLOW, SPAMMER, DESERTER)


class Profile(NamedTuple):
    """Faults are drawn from `faults` (repeated ones are likelier) every `gap_ms` on average, until the
    network is good for good, at a time within `gst_ms`."""

    name: str
    faults: tuple[str, ...] = ()
    gap_ms: int = 1_500
    gst_ms: tuple[int, int] = (8_000, 25_000)
    adversaries: tuple[str, ...] = ADVERSARIES
    is_smart: bool = False
    has_outage: bool = False
    has_sets: bool = False


PROFILES: Final = {
    each.name: each
    for each in (
        Profile("calm", gst_ms=(1_000, 1_000)),
        Profile(
            "random", (LOSS, DELAY, REPEATS, PARTITION, PARTITION, CRASH, CRASH, DEAF, DEAF, CLOCK, DISK)
        ),
        Profile(
            "smart",
            (LOSS, DELAY, PARTITION, CRASH, DEAF, DEAF),
            gap_ms=2_500,
            adversaries=(FORGER, FORGER, FORGER, TWINS, TWINS, MUTATOR, SPAMMER),
            is_smart=True,
        ),
        Profile("deaf", (DEAF, DEAF, DEAF, DEAF, CRASH, DELAY), gap_ms=700, is_smart=True),
        Profile("outage", adversaries=(DESERTER, DESERTER, *ADVERSARIES), has_outage=True),
        Profile(
            "sets",
            (LOSS, DELAY, REPEATS, PARTITION, CRASH, DEAF, DEAF, CLOCK, DISK),
            gap_ms=2_500,
            is_smart=True,
            has_sets=True,
        ),
    )
}
