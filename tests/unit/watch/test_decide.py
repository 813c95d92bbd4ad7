"""The controller's decisions: each case by name, and that they converge from anywhere."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.result import Path
from harness.watch.decide import Action, decide
from harness.watch.world import SeenGuest, SeenLink, State, Wanted, World
from tests.unit.watch.made_up import UP, Stage, guest, linked, region, row

PAIR = ("g1", "g2")
SHM = SeenLink(path="shm")
R1, R2 = region(PAIR, 1), region(PAIR, 2)
GRANTED = Wanted((row(*PAIR),))


def verbs(world: World, wanted: Wanted = GRANTED) -> list[tuple[str, ...]]:
    return [(action.verb, *action.guests) for action in decide(world, wanted)]


def two(one: SeenGuest, other: SeenGuest, *files: tuple[str, str]) -> World:
    return World({"g1": one, "g2": other}, frozenset(files))


def sharing(name: str = R1, link: SeenLink = SHM) -> World:
    return two(
        guest(regions={"g2": name}, links={"g2": link}),
        guest(regions={"g1": name}, links={"g1": link}),
        ("h1", name),
    )


def apart() -> World:
    return World(linked({"g1": guest("h1"), "g2": guest("h2")}, [PAIR]))


def meeting() -> World:
    return World(linked({"g1": guest(), "g2": guest()}, [PAIR]))


def test_what_is_well_is_left_alone() -> None:
    assert verbs(sharing()) == [] and verbs(apart()) == []


def test_who_meets_shares() -> None:
    assert verbs(meeting()) == [("share", "g1", "g2")]


def test_a_host_is_met_where_it_is() -> None:
    granted = Wanted((row("g1", "h1"), row("g1", "h2")))
    hosts = {name: SeenGuest("running", name, name, name) for name in ("h1", "h2")}
    world = World(linked({"g1": guest("h2"), **hosts}, [("g1", "h1"), ("g1", "h2")]))
    assert verbs(world, granted) == [("share", "g1", "h2")]
    silent = World({**world.guests, "h2": SeenGuest("silent", "h2", "h2", "h2")})
    assert verbs(silent, granted) == []
    assert verbs(world, Wanted((row("g1", "h1"),))) == [("forget", "g1", "h2")]


def test_who_is_revoked_or_released_does_not_meet() -> None:
    assert verbs(meeting(), Wanted((row(*PAIR, shares=False),))) == []
    assert verbs(meeting(), Wanted(GRANTED.grants, {"g2": "h1/1"})) == []


def test_a_release_ends_with_the_stay_that_it_was_about() -> None:
    assert verbs(meeting(), Wanted(GRANTED.grants, {"g2": "h2/7"})) == [("share", "g1", "g2")]


def test_who_is_revoked_or_released_parts() -> None:
    assert verbs(sharing(), Wanted((row(*PAIR, shares=False),))) == [("part", "g1", "g2")]
    assert verbs(sharing(), Wanted(GRANTED.grants, {"g1": "h1/1"})) == [("part", "g1", "g2")]


def test_without_a_grant_they_forget_each_other() -> None:
    assert verbs(sharing(), Wanted()) == [("forget", "g1", "g2")]
    assert verbs(apart(), Wanted()) == [("forget", "g1", "g2")]


@pytest.mark.parametrize("state", ["busy", "paused", "silent", "unknown"])
def test_a_guest_that_cannot_answer_is_waited_for(state: State) -> None:
    for world in (sharing(), meeting(), apart()):
        world = World({**world.guests, "g2": guest(state=state)}, world.files)
        assert verbs(world) == verbs(world, Wanted()) == []


def test_the_peer_of_a_guest_that_is_gone_keeps_nothing_plugged() -> None:
    world = World({**sharing().guests, "g1": SeenGuest("gone")}, sharing().files)
    assert verbs(world) == [("forsake", "g2", "g1")]


def test_a_saved_guest_s_peer_keeps_its_streams() -> None:
    world = World({**apart().guests, "g1": SeenGuest("gone")})
    assert verbs(world) == []


def test_an_agent_that_was_started_again_is_introduced_first() -> None:
    world = two(guest(regions={"g2": R1}), sharing().guests["g2"], ("h1", R1))
    assert verbs(world) == [("introduce", "g1", "g2")]


def test_a_link_that_is_down_is_told_again_and_nothing_else() -> None:
    assert verbs(sharing(link=SeenLink(up=False, path="shm"))) == [("introduce", "g1", "g2")]


@pytest.mark.parametrize("path", ["shm", "relay"])
def test_who_has_another_address_is_introduced_with_it(path: Path) -> None:
    def seen(*, dials: str, found_at: str) -> list[tuple[str, ...]]:
        well = SeenLink(path=path, dials="10.99.0.4", listens_at="10.99.0.3")
        other = SeenLink(path=path, dials=dials, listens_at=found_at)
        regions = {"g1": {"g2": R1}, "g2": {"g1": R1}} if path == "shm" else {"g1": {}, "g2": {}}
        there = "h1" if path == "shm" else "h2"
        one = guest("h1", regions=regions["g1"], links={"g2": well})
        return verbs(two(one, guest(there, regions=regions["g2"], links={"g1": other})))

    assert seen(dials="10.99.0.3", found_at="10.99.0.4") == [], "it is cut, and that is all"
    assert seen(dials="10.99.0.3", found_at="") == [], "it does not say"
    assert seen(dials="10.99.0.3", found_at="10.7.0.4") == [("introduce", "g1", "g2")]
    assert seen(dials="10.7.0.3", found_at="10.99.0.4") == [("introduce", "g1", "g2")]


def test_a_handover_under_way_is_waited_for() -> None:
    assert verbs(sharing(link=SeenLink(path="shm", settled=False))) == []


@pytest.mark.parametrize(("one", "other"), [({}, {"g1": R1}), ({}, {}), ({"g2": R2}, {"g1": R1})])
def test_a_pulled_or_wrong_device_ends_the_sharing_first(
    one: dict[str, str], other: dict[str, str]
) -> None:
    world = two(guest(regions=one, links={"g2": SHM}), guest(regions=other, links={"g1": SHM}))
    assert verbs(world) == [("part", "g1", "g2")]


def test_devices_of_a_handover_that_failed_give_way_to_fresh_ones() -> None:
    assert verbs(sharing(link=UP)) == [("share", "g1", "g2")]


def test_a_file_that_nobody_has_is_removed() -> None:
    world = sharing()
    world = World(world.guests, world.files | {("h2", R2)})
    assert verbs(world) == [("tidy", "g1", "g2")]
    both_gone = World({"g1": SeenGuest("gone"), "g2": SeenGuest("gone")}, world.files)
    assert verbs(both_gone) == [("tidy", "g1", "g2")]


@pytest.mark.parametrize(
    ("known", "arrival", "verb"),
    [
        ("h1/1", "restored", None),  # it is the stay that was looked after
        ("h2/4", "migrated", "note"),
        ("h2/4", "booted", "note"),
        ("h2/4", "restored", "renew"),
        ("h1/0", "", "renew"),  # suspended and resumed since: nobody knows how it came
        ("", "", "note"),
        ("", "booted", "note"),
        ("", "restored", "renew"),
    ],
)
def test_a_guest_that_may_be_put_back_ends_its_streams(
    known: str, arrival: str, verb: str | None
) -> None:
    world = World(linked({"g1": guest(known=known, arrival=arrival), "g2": guest("h2")}, [PAIR]))
    assert verbs(world) == ([(verb, "g1")] if verb else [])


def test_nothing_is_done_with_a_pair_before_the_put_back_one_has_forgotten() -> None:
    world = World(linked({"g1": guest(known="x", arrival="restored"), "g2": guest()}, [PAIR]))
    assert verbs(world) == [("renew", "g1")]


# ---- convergence ----

NAMES = ("g1", "g2", "g3")
PAIRS = list(combinations(NAMES, 2))
LINKS = st.builds(
    SeenLink, up=st.just(True), path=st.sampled_from(["tcp", "shm"]), settled=st.just(True)
)


@st.composite
def guests(draw: st.DrawFn, name: str) -> SeenGuest:
    state = draw(st.sampled_from(["running", "running", "running", "gone", "paused"]))
    if state == "gone":
        return SeenGuest("gone")
    peers = [peer for peer in NAMES if peer != name]
    host, number = draw(st.sampled_from(["h1", "h2", "h3"])), draw(st.integers(1, 2))
    names = {peer: sorted((name, peer)) for peer in peers}
    regions = {
        peer: region((names[peer][0], names[peer][1]), draw(st.integers(1, 2)))
        for peer in peers
        if draw(st.booleans())
    }
    links = {peer: draw(LINKS) for peer in peers if draw(st.booleans())}
    return SeenGuest(
        state=state,
        host=host,
        stay=f"{host}/{number}",
        known=draw(st.sampled_from(["", "h1/1", "h2/2"])),
        arrival=draw(st.sampled_from(["", "booted", "migrated", "restored"])),
        regions=regions,
        links=links,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    hosts, generations = st.sampled_from(["h1", "h2", "h3"]), st.integers(1, 3)
    file = st.builds(
        lambda host, pair, n: (host, region(pair, n)), hosts, st.sampled_from(PAIRS), generations
    )
    return World({name: draw(guests(name)) for name in NAMES}, draw(st.frozensets(file)))


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    rows = [row(*pair, shares=draw(st.booleans())) for pair in PAIRS if draw(st.booleans())]
    released = {name: draw(st.sampled_from(["h1/1", "h2/1"])) for name in NAMES}
    return Wanted(tuple(rows), {k: v for k, v in released.items() if draw(st.booleans())})


def is_well(world: World, wanted: Wanted) -> None:
    for pair in PAIRS:
        if {world.guests[name].state for name in pair} != {"running"}:
            continue
        plugged, links = world.plugged(pair), world.links(pair)
        if wanted.shares(world, pair):
            assert plugged[0] and plugged[0] == plugged[1]
            assert [link and link.path for link in links] == ["shm", "shm"]
        else:
            assert plugged == (None, None)
            assert all(link is None or link.path == "tcp" for link in links)
        assert all(links) if wanted.row(pair) else not any(links)


@given(worlds(), wishes(), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_from_any_state_it_converges_and_stays(world: World, wanted: Wanted, dice: object) -> None:
    """Also when any step may be lost: a controller that is killed, an agent that does not answer.

    The stage refuses steps that would hurt: one on a guest that does not run, a fresh region
    under a link on the old one, forsaking a guest that is there.
    """
    stage = Stage(world, wanted)
    for _ in range(40):
        decided = decide(stage.world, wanted)
        if not decided:
            break
        for action in decided:
            if dice.random() < 0.75:  # type: ignore[attr-defined]
                stage.perform(action)
    assert decide(stage.world, wanted) == []
    is_well(stage.world, wanted)


@given(worlds(), wishes())
@settings(max_examples=200, deadline=None)
def test_it_needs_few_rounds(world: World, wanted: Wanted) -> None:
    stage = Stage(world, wanted)
    for _ in range(6):
        for action in decide(stage.world, wanted):
            stage.perform(action)
    assert decide(stage.world, wanted) == []


@given(worlds(), wishes())
@settings(max_examples=200, deadline=None)
def test_one_step_for_each_guest_and_pair(world: World, wanted: Wanted) -> None:
    subjects = [frozenset(action.guests) for action in decide(world, wanted)]
    assert len(subjects) == len(set(subjects))


def test_every_step_says_why() -> None:
    assert decide(meeting(), GRANTED) == [Action("share", PAIR, "both are on h1")]
