"""Stories without a chain: the computed outcome, with what a chain would tell besides."""

from apps.demo.outcome import Outcome
from apps.demo.providers import measure
from apps.demo.replay import compute_outcome
from apps.demo.story import Certified, EpochRoot, Measured, Passage, Settled, Story, TradesRoot
from apps.demo.week import WEEK_HOURS, Week, load_week

WEEK = load_week()


def settle(outcome: Outcome) -> Settled:
    balances = tuple(total.money for total in outcome.totals)
    return Settled(balances, outcome.fees, outcome.wheeling, outcome.grid_cash, outcome.penalties)


def make_story(hours: int = WEEK_HOURS, week: Week = WEEK) -> Story:
    outcome = compute_outcome(week, hours)
    return Story(
        week=week,
        outcome=outcome,
        settled=settle(outcome),
        passage=Passage("Energy Week", bytes(range(32)), 4, 3, 1_200, 4_200, 6_000, 297_600_000, 1_000.4, 1),
        epochs=(EpochRoot(12_400_000, bytes([7]) * 32, 17, 10**14, 10**14, 150),),
        trades=tuple(TradesRoot(bytes([number]) * 32, 15) for number in range(hours)),
        measured=tuple(Measured(measure(week.hour(number)), 4) for number in range(hours)),
        certified=tuple(Certified(0, total.generated_wh) for total in outcome.totals),
        grid_fees=(10**12,) * len(week.homes),
        supervision={"Compliance.KycAttested": 15},
    )
