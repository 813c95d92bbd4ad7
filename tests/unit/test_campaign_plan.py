"""From a campaign to its cases: repeatable, consistent, and complete."""

from __future__ import annotations

from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.model.campaign import SCENARIOS, Campaign
from harness.model.campaign_plan import HOSTS, CaseSpec, case_at, cases, plan
from harness.model.migration_mode import MODES

MOVING = [name for name, mode in MODES.items() if not mode.stays and not mode.tunnelled]


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    some = draw(st.lists(st.sampled_from(list(MODES)), max_size=6))
    return Campaign(
        name="any",
        scenarios=tuple(draw(st.lists(st.sampled_from(SCENARIOS), min_size=1, max_size=5))),
        modes=(draw(st.sampled_from(MOVING)), *some),
        migrations=draw(st.integers(1, 60)),
    )


SEEDS = st.integers(0, 2**31 - 1)


@given(campaigns(), SEEDS)
def test_the_same_seed_gives_the_same_cases(campaign: Campaign, seed: int) -> None:
    assert plan(campaign, seed) == plan(campaign, seed)


@given(campaigns(), SEEDS)
def test_a_case_by_its_number_is_the_one_of_the_plan(campaign: Campaign, seed: int) -> None:
    planned = plan(campaign, seed)
    assert [case.index for case in planned] == list(range(len(planned)))
    assert case_at(campaign, seed, planned[-1].index) == planned[-1]


@given(campaigns(), SEEDS)
def test_each_case_starts_where_the_one_before_ended(campaign: Campaign, seed: int) -> None:
    planned = plan(campaign, seed)
    assert planned[0].start == (HOSTS[0], HOSTS[0])
    for before, after in pairwise(planned):
        assert after.start == before.end


@given(campaigns(), SEEDS)
def test_nobody_moves_to_where_he_is(campaign: Campaign, seed: int) -> None:
    for case in plan(campaign, seed):
        here = dict(zip(("g1", "g2"), case.start, strict=True))
        assert case.moves and all(here[guest] != host for guest, host in case.moves)
        assert case.mode.stays == (case.end == case.start)
        assert not case.mode.with_region or case.expected(True)[0] == "shm"


@given(campaigns(), SEEDS)
def test_the_count_is_reached_and_not_by_more_than_one_case(campaign: Campaign, seed: int) -> None:
    planned = plan(campaign, seed)
    total = sum(case.migrations for case in planned)
    assert campaign.migrations is not None
    assert total >= campaign.migrations > total - planned[-1].migrations


@given(campaigns(), SEEDS)
def test_every_mode_and_scenario_has_its_turn(campaign: Campaign, seed: int) -> None:
    longest = 4 * (len(campaign.modes) + 3) * (len(campaign.scenarios) + 3)
    some = list(islice(cases(campaign, seed), longest))
    assert {case.scenario for case in some} == set(campaign.scenarios)
    assert {case.mode.name for case in some} >= {m for m in campaign.modes if m in MOVING}


def test_all_four_edges_are_crossed() -> None:
    campaign = Campaign(name="edges", migrations=12)
    edges = {case.expected(granted=True) for case in plan(campaign, 1)}
    assert edges == {("shm", "tcp"), ("tcp", "shm"), ("tcp", "tcp"), ("shm", "shm")}


def test_guests_without_a_network_are_on_relay_when_they_are_apart() -> None:
    campaign = Campaign(name="edges", migrations=12, network=False, control="never")
    planned = plan(campaign, 1)
    edges = {case.expected(granted=True) for case in planned}
    assert edges == {("shm", "relay"), ("relay", "shm"), ("relay", "relay"), ("shm", "shm")}
    assert any(case.name.endswith(": shm to relay") for case in planned)
    with_cards = plan(campaign.model_copy(update={"network": True}), 1)
    assert [case.moves for case in planned] == [case.moves for case in with_cards]


def test_without_a_grant_no_path_is_ours() -> None:
    case = CaseSpec(0, "ping-pong", MODES["precopy"], (("g1", "h2"),), ("h1", "h1"))
    assert case.expected(granted=True) == ("shm", "tcp")
    assert case.expected(granted=False) == ("none", "none")
    assert case.name == "g1→h2, precopy: shm to tcp"
