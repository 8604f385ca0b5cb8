"""Who may be connected and whom to dial: slots, subnets, back-off, reserved nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network.backoff import ENTRIES_MAX, Backoff
from node.network.book import Book
from node.network.errors import Penalty
from node.network.identity import PeerId
from node.network.messages import GoodbyeReason
from node.network.multiaddr import Multiaddr, parse_multiaddr
from node.network.planning import FIXED_ADDRESSES_MAX, OUTBOUND_PER_SUBNET, Planner
from node.network.settings import NetworkSettings, Timing
from node.network.slots import Admission, Direction, Link, SlotLimits, Slots
from node.network.subnets import LOOPBACK, NAMES, compute_subnet, is_dialable
from node.network.subnets import make_address as make_seen
from tests.node.network.peers import make_address, make_peer
from tests.support.clock import ManualClock

OWN = make_peer(0)
IN, OUT = Direction.INBOUND, Direction.OUTBOUND


def link(number: int, direction: Direction = IN, subnet: str | None = None) -> Link:
    return Link(make_peer(number), direction, f"10.0.{number}.0/24" if subnet is None else subnet)


@pytest.mark.parametrize(
    ("host", "subnet"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("127.0.0.1", LOOPBACK),
        ("127.9.9.9", LOOPBACK),
        ("::1", LOOPBACK),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("node.example.org", NAMES),
        ("", NAMES),
    ],
)
def test_subnets_are_what_one_owner_has(host: str, subnet: str) -> None:
    assert compute_subnet(host) == subnet


@pytest.mark.parametrize(
    ("text", "source", "allow_private", "expected"),
    [
        ("/ip4/8.8.8.8/tcp/1/ws", "9.9.9.0/24", False, True),
        ("/ip4/10.0.0.1/tcp/1/ws", "9.9.9.0/24", False, False),
        ("/ip4/10.0.0.1/tcp/1/ws", "9.9.9.0/24", True, True),
        ("/ip4/127.0.0.1/tcp/1/ws", "9.9.9.0/24", True, False),
        ("/ip6/::ffff:127.0.0.1/tcp/1/ws", "9.9.9.0/24", True, False),
        ("/ip4/127.0.0.1/tcp/1/ws", LOOPBACK, False, True),
        ("/ip6/::1/tcp/1/ws", "9.9.9.0/24", True, False),
        ("/ip4/0.0.0.0/tcp/1/ws", LOOPBACK, True, False),
        ("/ip4/224.0.0.1/tcp/1/ws", LOOPBACK, True, False),
        ("/ip4/169.254.169.254/tcp/80/ws", "9.9.9.0/24", True, False),
        ("/ip6/fe80::1/tcp/1/ws", LOOPBACK, True, False),
        ("/ip4/8.8.8.8/tcp/0/ws", LOOPBACK, True, False),
        ("/dns/localhost/tcp/1/ws", "9.9.9.0/24", True, False),
        ("/dns/LOCALHOST./tcp/1/ws", "9.9.9.0/24", True, False),
        ("/dns/localhost/tcp/1/ws", LOOPBACK, True, True),
        ("/dns/node.example.org/tcp/1/ws", "9.9.9.0/24", False, True),
    ],
)
def test_peers_do_not_send_us_to_our_own_ports(
    text: str, source: str, allow_private: bool, expected: bool
) -> None:
    address = parse_multiaddr(text)._replace(peer=OWN)
    assert is_dialable(address, source, allow_private=allow_private) is expected
    assert not is_dialable(address._replace(peer=None), source, allow_private=allow_private)


def test_the_address_of_a_peer_is_its_host_and_port() -> None:
    assert make_seen("::ffff:1.2.3.4", 5, OWN) == Multiaddr("ip4", "1.2.3.4", 5, OWN)
    assert make_seen("2001:db8::1", 5, OWN) == Multiaddr("ip6", "2001:db8::1", 5, OWN)
    assert make_seen("1.2.3.4", 0, OWN) is None
    assert make_seen("", 5, OWN) is None


def test_slots_of_each_direction_are_bounded() -> None:
    slots = Slots(OWN, SlotLimits(outbound=2, inbound=3))
    for number in range(1, 4):
        assert slots.judge(link(number)) is Admission.NEW
        slots.add(link(number))
    assert slots.judge(link(4)) is GoodbyeReason.FULL
    assert slots.count_free_outbound() == 2
    for number in range(4, 6):
        assert slots.judge(link(number, OUT)) is Admission.NEW
        slots.add(link(number, OUT))
    assert slots.judge(link(6, OUT)) is GoodbyeReason.FULL
    assert slots.count_free_outbound() == 0
    slots.remove(make_peer(1))
    assert slots.judge(link(6)) is Admission.NEW


def test_production_slots_are_substrates() -> None:
    assert SlotLimits() == SlotLimits(8, 32, 2, reserved_only=False)


def test_two_inbound_peers_of_a_subnet_are_enough() -> None:
    slots = Slots(OWN, SlotLimits())
    slots.add(link(1, subnet="a"))
    assert slots.judge(link(2, subnet="a")) is Admission.NEW
    slots.add(link(2, subnet="a"))
    assert slots.judge(link(3, subnet="a")) is GoodbyeReason.FULL
    assert slots.judge(link(3, subnet="b")) is Admission.NEW
    assert slots.judge(link(3, OUT, subnet="a")) is Admission.NEW


def test_loopback_is_no_subnet() -> None:
    slots = Slots(OWN, SlotLimits())
    for number in range(1, 6):
        slots.add(link(number, subnet=LOOPBACK))
    assert slots.judge(link(9, subnet=LOOPBACK)) is Admission.NEW
    slots.add(link(7, OUT, LOOPBACK))
    assert slots.count_outbound(LOOPBACK) == 0
    slots.add(link(8, OUT, "a"))
    assert slots.count_outbound("a") == 1


def test_reserved_nodes_need_no_slot_and_take_none() -> None:
    slots = Slots(OWN, SlotLimits(outbound=1, inbound=1, inbound_per_subnet=1), [make_peer(1), make_peer(2)])
    slots.add(link(1, subnet="a"))
    assert slots.judge(link(3, subnet="a")) is Admission.NEW
    slots.add(link(3, subnet="a"))
    assert slots.judge(link(2, subnet="a")) is Admission.NEW
    assert slots.judge(link(4)) is GoodbyeReason.FULL


def test_reserved_only_lets_nobody_else_in() -> None:
    slots = Slots(OWN, SlotLimits(reserved_only=True), [make_peer(1)])
    assert slots.judge(link(1)) is Admission.NEW
    assert slots.judge(link(2)) is GoodbyeReason.RESERVED_ONLY
    assert slots.judge(link(2, OUT)) is GoodbyeReason.RESERVED_ONLY
    assert slots.count_free_outbound() == 0


@given(st.integers(1, 50), st.integers(51, 100), st.booleans())
def test_two_nodes_that_dial_each_other_keep_the_same_connection(
    one: int, other: int, is_first_from_one: bool
) -> None:
    """Both judge a second connection in whichever order the two came; the smaller id's dial stays."""
    ids = (make_peer(one), make_peer(other))
    kept: list[tuple[PeerId, bool]] = []
    for me, peer in (ids, ids[::-1]):
        slots = Slots(me, SlotLimits())
        mine, theirs = Link(peer, OUT, LOOPBACK), Link(peer, IN, LOOPBACK)
        first, second = (mine, theirs) if (me == ids[0]) == is_first_from_one else (theirs, mine)
        slots.add(first)
        verdict = slots.judge(second)
        stays = second if verdict is Admission.REPLACE else first
        kept.append((me if stays is mine else peer, verdict is GoodbyeReason.DUPLICATE))
    assert {dialler for dialler, _ in kept} == {min(ids)}


def test_a_newer_connection_of_the_same_direction_replaces_the_older() -> None:
    slots = Slots(OWN, SlotLimits())
    for direction in Direction:
        slots.add(link(1, direction))
        assert slots.judge(link(1, direction)) is Admission.REPLACE


def test_waits_double_up_to_the_limit() -> None:
    backoff = Backoff(1000, 60_000)
    peer = make_peer(1)
    assert backoff.is_due(peer, 0)
    assert [backoff.fail(peer, 0) for _ in range(8)] == [
        1000,
        2000,
        4000,
        8000,
        16_000,
        32_000,
        60_000,
        60_000,
    ]
    assert backoff.count_failures(peer) == 8
    assert not backoff.is_due(peer, 59_999)
    assert backoff.is_due(peer, 60_000)
    assert backoff.is_due(make_peer(2), 0)
    backoff.clear(peer)
    assert backoff.is_due(peer, 0)
    assert backoff.fail(peer, 0) == 1000


def test_waits_are_bounded_in_number_and_length() -> None:
    backoff = Backoff(1000, 60_000)
    for number in range(ENTRIES_MAX + 1):
        backoff.fail(make_peer(number), 0)
    assert backoff.is_due(make_peer(0), 0)
    assert not backoff.is_due(make_peer(1), 0)
    for _ in range(200):
        assert backoff.fail(make_peer(1), 0) <= 60_000


class Planned:
    """A planner with what it decides by."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.clock = ManualClock()
        self.book = Book(OWN, settings, self.clock)
        self.slots = Slots(OWN, settings.slots)
        self.planner = Planner(OWN, settings, self.book, self.slots)
        self.connected: dict[PeerId, None] = {}

    def choose(self) -> list[Multiaddr]:
        return self.planner.choose(self.connected.keys(), int(self.clock.monotonic() * 1000))

    def connect(self, number: int, subnet: str = LOOPBACK) -> None:
        self.connected[make_peer(number)] = None
        self.slots.add(link(number, OUT, subnet))

    def fail(self, number: int) -> None:
        self.planner.on_ended(make_peer(number), int(self.clock.monotonic() * 1000), is_steady=False)


BOOT, RESERVED = make_address(1, "127.0.0.1"), make_address(2, "127.0.0.1")


def test_alone_the_bootnodes_are_dialled() -> None:
    planned = Planned(NetworkSettings(bootnodes=(BOOT,)))
    assert planned.choose() == [BOOT]
    planned.planner.dialling.add(make_peer(1))
    assert planned.choose() == []
    planned.fail(1)
    assert planned.choose() == []
    planned.clock.advance(1000)
    assert planned.choose() == [BOOT]


def test_in_company_those_heard_of_come_before_bootnodes() -> None:
    planned = Planned(NetworkSettings(bootnodes=(BOOT,), slots=SlotLimits(outbound=2)))
    planned.book.hear([str(make_address(7, "127.0.0.1"))], LOOPBACK)
    assert planned.choose() == [BOOT, make_address(7, "127.0.0.1")]
    planned.connect(9)
    assert planned.choose() == [make_address(7, "127.0.0.1")]


def test_slots_bound_the_dials_and_count_those_under_way() -> None:
    planned = Planned(NetworkSettings(slots=SlotLimits(outbound=3)))
    planned.book.hear([str(make_address(number, "127.0.0.1", number)) for number in range(10, 20)], LOOPBACK)
    chosen = planned.choose()
    assert len({address.peer for address in chosen}) == 3
    planned.planner.dialling.add(make_peer(10))
    assert len(planned.choose()) == 2
    planned.connect(10)
    assert len(planned.choose()) == 2
    planned.connect(11)
    planned.connect(12)
    assert planned.choose() == []


def test_a_subnet_is_dialled_twice_at_most() -> None:
    planned = Planned(NetworkSettings())
    planned.book.hear(
        [str(make_address(number, f"8.8.8.{number}")) for number in range(10, 20)], "9.9.9.0/24"
    )
    assert len(planned.choose()) == OUTBOUND_PER_SUBNET == 2
    planned.connect(50, "8.8.8.0/24")
    assert len(planned.choose()) == 1
    planned.connect(51, "8.8.8.0/24")
    assert planned.choose() == []


def test_reserved_nodes_are_dialled_whatever_the_slots() -> None:
    planned = Planned(NetworkSettings(reserved=(RESERVED,), slots=SlotLimits(outbound=0)))
    assert planned.choose() == [RESERVED]
    assert planned.planner.reserved == (make_peer(2),)
    planned.connect(2)
    assert planned.choose() == []


def test_reserved_only_dials_nobody_else() -> None:
    limits = SlotLimits(reserved_only=True)
    planned = Planned(NetworkSettings(reserved=(RESERVED,), bootnodes=(BOOT,), slots=limits))
    assert planned.choose() == [RESERVED]


def test_addresses_of_a_reserved_node_take_turns() -> None:
    other = RESERVED._replace(port=2)
    planned = Planned(NetworkSettings(reserved=(RESERVED, other)))
    assert planned.choose() == [RESERVED]
    planned.fail(2)
    planned.clock.advance(60_000)
    assert planned.choose() == [other]
    planned.fail(2)
    planned.clock.advance(60_000)
    assert planned.choose() == [RESERVED]


def test_a_reserved_node_can_be_added_pardoned_and_removed() -> None:
    planned = Planned(NetworkSettings(slots=SlotLimits(outbound=0)))
    planned.book.report(make_peer(2), Penalty.WRONG_GENESIS)
    planned.fail(2)
    planned.planner.add_reserved(RESERVED)
    assert planned.choose() == [RESERVED]
    assert make_peer(2) in planned.slots.reserved
    planned.book.report(make_peer(2), Penalty.WRONG_GENESIS)
    assert planned.choose() == []
    planned.planner.remove_reserved(make_peer(2))
    planned.planner.remove_reserved(make_peer(3))
    assert planned.planner.reserved == ()
    assert planned.slots.reserved == set()


def test_a_reserved_node_has_a_bounded_number_of_addresses() -> None:
    planned = Planned(NetworkSettings())
    for port in range(1, FIXED_ADDRESSES_MAX + 2):
        planned.planner.add_reserved(RESERVED._replace(port=port))
    assert planned.choose() == [RESERVED._replace(port=FIXED_ADDRESSES_MAX + 1)]
    seen: set[int] = set()
    for _ in range(FIXED_ADDRESSES_MAX + 1):
        seen.update(address.port for address in planned.choose())
        planned.fail(2)
        planned.clock.advance(60_000)
    assert seen == set(range(2, FIXED_ADDRESSES_MAX + 2))


def test_the_node_never_dials_itself_nor_banned_peers() -> None:
    own = Multiaddr("ip4", "127.0.0.1", 1, OWN)
    planned = Planned(NetworkSettings(bootnodes=(own, BOOT), reserved=(own,)))
    planned.book.hear([str(own), str(make_address(7, "127.0.0.1"))], LOOPBACK)
    planned.book.report(make_peer(7), Penalty.WRONG_GENESIS)
    assert planned.choose() == [BOOT]
    planned.book.report(make_peer(1), Penalty.WRONG_GENESIS)
    assert planned.choose() == []


def test_a_steady_connection_clears_the_wait() -> None:
    planned = Planned(NetworkSettings(bootnodes=(BOOT,)))
    planned.fail(1)
    planned.planner.on_ended(make_peer(1), 0, is_steady=True)
    assert planned.choose() == [BOOT]


def test_hearsay_is_parsed_and_filtered() -> None:
    planned = Planned(NetworkSettings(allow_private=False))
    texts = [
        "",
        "nonsense",
        str(BOOT),
        str(make_address(5, "10.0.0.1")),
        str(make_address(6)._replace(peer=None)),
    ]
    assert planned.book.hear(texts, "9.9.9.0/24") == 0
    assert planned.book.hear([str(make_address(6, "8.8.8.8"))], "9.9.9.0/24") == 1


def test_a_sample_of_reached_peers_is_drawn_anew_after_ten_seconds() -> None:
    planned = Planned(NetworkSettings())
    planned.book.on_reached(BOOT)
    assert planned.book.sample_reached() == [BOOT]
    planned.book.on_reached(RESERVED)
    assert planned.book.sample_reached() == [BOOT]
    planned.clock.advance(10_000)
    assert set(planned.book.sample_reached()) == {BOOT, RESERVED}


def test_production_deadlines() -> None:
    timing = Timing()
    assert timing.opening_s == 5
    assert (timing.ping_s, timing.silence_s) == (20, 60)
    assert (timing.backoff_s, timing.backoff_max_s) == (1, 60)
