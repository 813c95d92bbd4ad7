"""Guests without a network: their links go through the hosts, and no byte is lost there."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import BUILD, Agent, Proxy, Refused, wait_until
from programs import await_motion, both_ways, finish_all, open_streams
from relayed import KEY, Hosts, Port, dies_and_is_met_again, hosts

from harness import clock


@pytest.fixture
def unrouted(folder: Path) -> Iterator[Hosts]:
    with hosts(folder) as both:
        yield both


@pytest.fixture
def relayed(unrouted: Hosts) -> Hosts:
    unrouted.route()
    unrouted.add_links()
    unrouted.await_up()
    return unrouted


def domsock(*argv: str, given: str = "") -> subprocess.CompletedProcess[str]:
    argv = (str(BUILD / "domsock"), *argv)
    return subprocess.run(argv, input=given, capture_output=True, text=True, check=False)


def share_memory_open(relayed: Hosts) -> None:
    """One that is still opening when a handover to shared memory begins stays where it is."""
    for agent in (relayed.g1, relayed.g2):
        wait_until(lambda a=agent: all_open(a), "both know that their streams are open")
    relayed.share_memory()


def all_open(agent: Agent) -> bool:
    return all(stream["state"] == "open" for stream in agent.streams())


def tell(host: Agent, *routes: dict[str, object]) -> None:
    host.call("routes.set", owner="another", routes=routes)


def channels(host: Agent) -> int:
    count: int = host.call("routes")["channels"]
    return count


def test_streams_flow_between_hosts(relayed: Hosts) -> None:
    flows = both_ways(open_streams(relayed, 3))
    await_motion(flows, 1 << 20)
    assert {stream["path"] for stream in relayed.g1.streams()} == {"relay"}
    finish_all(flows)
    assert channels(relayed.h1) == channels(relayed.h2) == 1


def test_streams_flow_on_one_host(unrouted: Hosts) -> None:
    unrouted.here(unrouted.h1, "g1")
    unrouted.here(unrouted.h1, "g2")
    unrouted.add_links()
    unrouted.await_up()
    flows = both_ways(open_streams(unrouted, 2))
    await_motion(flows, 1 << 20)
    finish_all(flows)


@pytest.mark.parametrize("which", ["h1", "h2"])
def test_a_host_agent_that_is_killed_loses_no_byte(relayed: Hosts, which: str) -> None:
    flows = both_ways(open_streams(relayed, 3))
    for _ in range(5):
        await_motion(flows, 100_000)
        relayed.kill(relayed.h1 if which == "h1" else relayed.h2)
    relayed.await_up()
    await_motion(flows)
    finish_all(flows)


def test_hosts_that_lose_sight_of_each_other_lose_no_byte(relayed: Hosts) -> None:
    flows = both_ways(open_streams(relayed, 3))
    for _ in range(5):
        await_motion(flows, 100_000)
        relayed.trunk.cut()
    await_motion(flows)
    finish_all(flows)


def test_a_guest_that_moved_is_found_again(relayed: Hosts) -> None:
    flows = both_ways(open_streams(relayed, 2))
    await_motion(flows, 100_000)
    where = {"host": 1002, "address": "127.0.0.1", "port": relayed.trunk.port, "key": KEY}
    tell(relayed.h1, {"domain": 77, **where})  # the other host is needed still
    relayed.ports["g2"].move()
    relayed.here(relayed.h1, "g2")
    relayed.there(relayed.h2, "g2")
    await_motion(flows, 100_000)
    finish_all(flows)
    assert (channels(relayed.h1), channels(relayed.h2)) == (1, 0)


def test_a_stopped_guest_holds_up_nobody_else(relayed: Hosts) -> None:
    port = Port(relayed.folder, "g3")
    g3 = Agent(relayed.folder, "g3", 5, "--data", port.device)
    where = {"host": 1001, "address": "127.0.0.1", "port": relayed.trunk.port, "key": KEY}
    tell(relayed.h1, {"domain": 5, "socket": str(port.socket)})
    tell(relayed.h2, {"domain": 5, **where})
    g3.call("link.add", peer="g2", peer_id=4, key=Hosts.KEY)
    relayed.g2.call("link.add", peer="g3", peer_id=5, key=Hosts.KEY)
    wait_until(lambda: g3.link()["state"] == "up", "g3's link is up")

    class Other:
        g1, g2 = relayed.g2, g3

    stopped = both_ways(open_streams(relayed, 1))
    moving = both_ways(open_streams(Other, 1))
    await_motion([*stopped, *moving], 100_000)
    relayed.ports["g1"].stall(True)
    await_motion(moving, 4 << 20)
    relayed.ports["g1"].stall(False)
    await_motion(stopped, 100_000)
    finish_all([*stopped, *moving])
    assert g3.stop() == 0
    port.stop()


def test_an_agent_killed_in_a_guest_is_met_again(relayed: Hosts) -> None:
    dies_and_is_met_again(relayed, relayed, relayed.g1, relayed.g2)


def test_hosts_with_different_keys_refuse_each_other(unrouted: Hosts) -> None:
    unrouted.route(key2="ee" * 32)
    unrouted.add_links()
    why = "it does not know the testbed's key"
    wait_until(lambda: why in unrouted.h1.log.read_text(), "h1 refuses h2")
    assert not any(route["up"] for route in unrouted.h1.call("routes")["routes"] if "host" in route)
    assert unrouted.g1.link()["state"] != "up"
    unrouted.there(unrouted.h2, "g1")
    unrouted.await_up()


def test_a_host_that_nobody_knows_is_refused(unrouted: Hosts) -> None:
    unrouted.there(unrouted.h2, "g1")
    why = "it is not one of those there are routes to"
    wait_until(lambda: why in unrouted.h1.log.read_text(), "h1 refuses h2")


def test_shared_memory_with_the_relay_as_its_connection(relayed: Hosts) -> None:
    flows = both_ways(open_streams(relayed, 2))
    for _ in range(3):
        relayed.attach(relayed.make_region())
        assert relayed.hand_over("shm")["from"] == "relay"
        await_motion(flows, 100_000)
        assert relayed.g2.link()["path"] == "shm"
        assert relayed.hand_over("relay")["to"] == "relay"
        await_motion(flows, 100_000)
    finish_all(flows)


def test_shared_memory_outlives_the_hosts_agents(relayed: Hosts) -> None:
    flows = both_ways(open_streams(relayed, 2))
    share_memory_open(relayed)
    relayed.h1.stop(signal.SIGKILL)
    await_motion(flows, 1 << 20)
    relayed.h1.start("127.0.0.1:0")
    relayed.trunk.redirect(relayed.h1.call("routes")["port"])
    wait_until(lambda: relayed.g2.link()["state"] == "up", "the link is up again")
    relayed.hand_over("tcp")
    await_motion(flows, 100_000)
    finish_all(flows)


def test_a_network_that_is_down_is_gone_round_and_come_back_to(unrouted: Hosts) -> None:
    unrouted.route()
    network = Proxy(unrouted.g1.port)
    unrouted.add_links(g2_port=network.port)
    unrouted.await_up("tcp")
    flows = both_ways(open_streams(unrouted, 2))
    await_motion(flows, 100_000)
    network.redirect(1)  # nobody is there
    network.cut()
    unrouted.await_up("relay")
    await_motion(flows, 100_000)
    network.redirect(unrouted.g1.port)
    unrouted.await_up("tcp")
    await_motion(flows, 100_000)
    finish_all(flows)
    network.stop()


@pytest.mark.long
def test_a_network_that_answers_in_vain_is_tried_again(unrouted: Hosts) -> None:
    unrouted.route()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        network = Proxy(silent.getsockname()[1])
        unrouted.add_links(g2_port=network.port)
        silent.accept()
        unrouted.await_up("relay")
        silent.accept()  # tried while the relay is there
        network.redirect(unrouted.g1.port)
        unrouted.await_up("tcp")
    network.stop()


def test_who_refuses_is_named(unrouted: Hosts) -> None:
    """Somebody else has the address; it is dialled again beside the relay."""
    unrouted.route()
    unrouted.add_links(g2_port=unrouted.h1.port)
    unrouted.await_up("relay")
    before = len(refusals(unrouted.g2))
    wait_until(lambda: len(refusals(unrouted.g2)) > before, "the network is tried again")
    assert {event["peer"] for event in refusals(unrouted.g2)} == {"g1"}
    assert {event["peer"] for event in refusals(unrouted.h1)} == {""}, "a caller may be anybody"


def refusals(agent: Agent) -> list[dict[str, Any]]:
    agent.call("ping")  # events come before its answer
    return [event for event in agent.channel.events if event["event"] == "link.refused"]


def test_an_idle_relay_costs_nothing(relayed: Hosts) -> None:
    ends = open_streams(relayed, 4)
    before = [agent.cpu_s() for agent in relayed.agents]
    idle = clock.Deadline(3.0)
    wait_until(lambda: idle.expired, "some time to pass")
    for agent, was in zip(relayed.agents, before, strict=True):
        assert agent.cpu_s() - was < 0.1, agent.name
    for client, server in ends:
        client.close()
        server.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"domain": 3},
        {"domain": 1001, "socket": "/nowhere"},
        {"domain": 3, "socket": "/" * 200},
        {"domain": 3, "address": "127.0.0.1"},
        {"domain": 3, "address": "nowhere", "host": 1002, "key": KEY},
        {"domain": 3, "address": "127.0.0.1", "host": 1002, "key": "ab"},
        {"domain": 3, "address": "127.0.0.1", "host": 1002, "key": KEY, "socket": "/nowhere"},
        {"domain": 3, "address": "127.0.0.1", "host": 1001, "key": KEY},
    ],
)
def test_routes_that_make_no_sense_are_refused(unrouted: Hosts, wrong: dict[str, object]) -> None:
    with pytest.raises(Refused, match="bad-argument"):
        tell(unrouted.h1, wrong)
    assert unrouted.h1.call("routes")["routes"] == []


def test_routes_are_forgotten_when_told_so(relayed: Hosts) -> None:
    relayed.lose(relayed.h1, 4)
    wait_until(lambda: relayed.g2.link()["state"] != "up", "the link is down")
    assert [route["domain"] for route in relayed.h1.call("routes")["routes"]] == [3]
    relayed.there(relayed.h1, "g2")
    relayed.await_up()


def test_a_domain_of_somebody_elses_is_left_alone(relayed: Hosts) -> None:
    with pytest.raises(Refused, match="domain 3 is one of lab's here"):
        tell(relayed.h1, {"domain": 3, "socket": "/nowhere"})
    tell(relayed.h1)
    assert {route["owner"] for route in relayed.h1.call("routes")["routes"]} == {"lab"}
    relayed.await_up()


def test_routes_by_the_command(unrouted: Hosts) -> None:
    run_dir = ["--run-dir", str(unrouted.h1.run_dir)]
    table = {"owner": "lab", "routes": [{"domain": 3, "socket": "/nowhere"}]}
    told = domsock("route", *run_dir, given=json.dumps(table))
    assert told.returncode == 0, told.stderr
    shown = json.loads(domsock("routes", "--json", *run_dir).stdout)
    assert [route["socket"] for route in shown["routes"]] == ["/nowhere"]
    assert "/nowhere" in domsock("routes", *run_dir).stdout
    refused = domsock("route", *run_dir, given='{"owner": "lab", "routes": [{}]}')
    assert refused.returncode == 1
    assert '"domain" is missing' in refused.stderr
    assert domsock("route", *run_dir, given="[").returncode == 1
