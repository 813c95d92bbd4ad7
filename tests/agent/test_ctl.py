"""The control channel: what is asked, what is refused, and what nobody should send."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import BUILD, Agent, Channel, Pair, Refused, wait_until


@pytest.fixture
def g1(unlinked: Pair) -> Agent:
    return unlinked.g1


def test_hello(g1: Agent) -> None:
    hello = g1.call("hello")
    assert hello["name"] == "g1"
    assert hello["domain_id"] == 3
    assert hello["abi"] == 1
    assert hello["pid"] == g1.process.pid
    assert len(hello["incarnation"]) == 16
    assert hello["monotonic_ns"] > hello["uptime_ms"] > 0


def test_the_local_socket_is_for_the_owner_only(g1: Agent) -> None:
    assert stat.S_IMODE((g1.run_dir / "agent.sock").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "bad-json"),
        (b"\xff\xfe", "bad-json"),
        (b"[1]", "bad-request"),
        (b"17", "bad-json"),
        (b"{}", "bad-argument"),
        (b'{"op":7}', "bad-argument"),
        (b'{"op":"fly"}', "unknown-op"),
        (b'{"op":"handover"}', "bad-argument"),
        (b'{"op":"handover","to":"moon","peer":"g9"}', "no-link"),
        (b"[" * 60000, "bad-json"),
        (b"x" * 200000, "line-too-long"),
    ],
)
def test_nonsense_is_answered_with_an_error(g1: Agent, line: bytes, code: str) -> None:
    g1.channel.send_raw(line + b"\n")
    answer = g1.channel.read()
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert g1.call("ping")["ok"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"peer": "self"}, "bad-argument"),
        ({"peer": "host"}, "bad-argument"),
        ({"peer": "../g2"}, "bad-argument"),
        ({"peer": ""}, "bad-argument"),
        ({"peer_id": 2}, "bad-argument"),
        ({"peer_id": 2**40}, "bad-argument"),
        ({"peer_id": "4"}, "bad-argument"),
        ({"peer_id": 3}, "clash"),
        ({"address": "somewhere"}, "bad-argument"),
        ({"port": 0}, "bad-argument"),
        ({"key": "ab"}, "bad-argument"),
        ({"key": None}, "bad-argument"),
    ],
)
def test_bad_arguments_of_link_add(g1: Agent, change: dict[str, Any], code: str) -> None:
    good = {"peer": "g2", "peer_id": 4, "address": "127.0.0.1", "port": 7, "key": Pair.KEY}
    with pytest.raises(Refused) as refused:
        g1.call("link.add", **{**good, **change})
    assert refused.value.code == code
    assert g1.call("links")["links"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "x" * 64},
        {"owner": None},
        {"domains": None},
        {"domains": {}},
        {"domains": [{"name": "g3", "id": 5}] * 1025},
        {"domains": [7]},
        {"domains": [{"name": "g3"}]},
        {"domains": [{"name": "../g3", "id": 5}]},
        {"domains": [{"name": "g3", "id": 2}]},
    ],
)
def test_bad_arguments_of_domains_set(g1: Agent, change: dict[str, Any]) -> None:
    """What was said before stays."""
    good = {"owner": "lab", "domains": [{"name": "g2", "id": 4}]}
    g1.call("domains.set", **good)
    with pytest.raises(Refused, match="bad-argument"):
        g1.call("domains.set", **{**good, **change})
    assert g1.call("links")["domains"] == good["domains"]


def test_no_more_than_so_many_say_which_domains_there_are(g1: Agent) -> None:
    for number in range(16):
        g1.call("domains.set", owner=f"lab-{number}", domains=[{"name": "g2", "id": 4}])
    with pytest.raises(Refused, match="busy"):
        g1.call("domains.set", owner="lab-16", domains=[{"name": "g2", "id": 4}])
    g1.call("domains.set", owner="lab-0", domains=[])
    g1.call("domains.set", owner="lab-16", domains=[{"name": "g2", "id": 4}])


def test_link_add_is_idempotent_and_clashes_are_refused(g1: Agent) -> None:
    link = {"peer": "g2", "peer_id": 4, "address": "127.0.0.1", "port": 7, "key": Pair.KEY}
    g1.call("link.add", **link)
    g1.call("link.add", **link)
    g1.call("link.add", **{**link, "address": "127.0.0.2"})
    assert g1.link()["address"] == "127.0.0.2"
    for clash in ({"peer": "g3"}, {"peer_id": 5}):
        with pytest.raises(Refused, match="clash"):
            g1.call("link.add", **{**link, **clash})
    g1.call("link.remove", peer="g2", policy="reset")
    assert g1.call("links")["links"] == []
    with pytest.raises(Refused, match=r"no-link.*link\.add"):
        g1.call("link.remove", peer="g2")


def test_a_wrong_key_is_refused(unlinked: Pair) -> None:
    unlinked.add_links(g2_key="cd" * 32)
    log = unlinked.g1.log
    wait_until(lambda: "does not know the link's key" in log.read_text(), "the refusal is logged")
    assert unlinked.g1.link()["state"] != "up"
    unlinked.add_links()
    wait_until(lambda: unlinked.g1.link()["state"] == "up", "the right key is accepted")


def test_a_region_that_never_appears(pair: Pair) -> None:
    with pytest.raises(Refused, match=r"no-region.*No such file"):
        pair.g1.call(
            "region.attach", peer="g2", nonce="00" * 16, file="/nonexistent", deadline_ms=100
        )
    path, _ = pair.make_region()
    with pytest.raises(Refused, match=r"no-region.*another nonce"):
        pair.g1.call("region.attach", peer="g2", nonce="00" * 16, file=str(path), deadline_ms=100)


def test_a_region_that_appears_late(pair: Pair) -> None:
    path, nonce = pair.make_region()
    hidden = path.with_suffix(".hidden")
    path.rename(hidden)
    request = pair.g1.channel.send(
        "region.attach", peer="g2", nonce=nonce, file=str(path), deadline_ms=10000
    )
    hidden.rename(path)
    answer = pair.g1.channel.result(request)
    assert answer["size"] == 8 << 20
    assert answer["mbps"] > 0
    assert pair.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))["already"] is True
    pair.g1.call("region.detach", peer="g2")
    assert pair.g1.link()["attached"] is False


def test_a_region_in_use_is_not_detached(pair: Pair) -> None:
    pair.attach(pair.make_region())
    pair.hand_over("shm")
    with pytest.raises(Refused, match="busy"):
        pair.g1.call("region.detach", peer="g2")


def test_events_tell_what_happens(pair: Pair) -> None:
    pair.attach(pair.make_region())
    pair.hand_over("shm")
    pair.g1.call("ping")
    events = [event["event"] for event in pair.g1.channel.events]
    assert events[:2] == ["link.up", "path.changed"]


def test_many_requests_at_once(g1: Agent) -> None:
    ids = [g1.channel.send("ping") for _ in range(500)]
    assert [g1.channel.read()["id"] for _ in ids] == ids


def test_a_second_agent_in_the_same_place_is_refused(g1: Agent) -> None:
    argv = [str(BUILD / "domsockd"), "--name", "g1", "--id", "3", "--listen", "127.0.0.1:0"]
    second = subprocess.run(
        [*argv, "--run-dir", str(g1.run_dir)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "is another one running" in second.stderr
    assert g1.call("ping")["ok"]


class Port:
    """A pseudo terminal as the character device of the control port."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        self._slave = slave  # keeps the device there while nobody has it open

    def call(self, op: str) -> dict[str, Any]:
        """Send one request and return its answer."""
        os.write(self.master, json.dumps({"id": 1, "op": op}).encode() + b"\n")
        data = b""
        while True:
            data += os.read(self.master, 65536)
            for line in data.split(b"\n")[:-1]:
                if b'"ok":true' in line:
                    return dict(json.loads(line))


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
def g7(folder: Path, port: Port) -> Iterator[Agent]:
    agent = Agent(folder, "g7", 7, "--ctl", port.path)
    yield agent
    assert agent.stop() == 0


def test_the_same_protocol_on_a_port(port: Port, g7: Agent) -> None:
    assert port.call("hello")["name"] == g7.name
    os.write(port.master, b'{"id":1,"op"')  # half a request ...
    os.write(port.master, b"\n")  # ... which a reopened port's first newline ends
    assert port.call("ping")["ok"]


def test_a_port_that_hangs_up_costs_no_processor_time(port: Port, g7: Agent) -> None:
    assert port.call("ping")["ok"]
    before = g7.cpu_s()
    os.close(port.master)
    wait_until(lambda: "other side is closed" in g7.log.read_text(), "the agent notices")
    for _ in range(200):
        g7.call("ping")
    assert g7.cpu_s() - before < 0.2


def test_stopping_leaves_nothing_behind(pair: Pair) -> None:
    assert pair.g1.stop(signal.SIGTERM) == 0
    assert sorted(path.name for path in pair.g1.run_dir.iterdir()) == ["self"]


def test_channels_that_come_and_go(g1: Agent) -> None:
    for _ in range(200):
        channel = Channel(g1.run_dir / "agent.sock")
        channel.send("streams")
        channel.close()
    assert g1.call("ping")["ok"]
