"""The host is a domain: a guest with no network talks to it, and it to the guest, by path and by
port; CID 2 is the host the guest is on, and a host that was called by its name stays the same.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import lying
import pytest
from agents import BUILD, Agent, Refused, stop_all, wait_until
from lying import LyingGuest
from programs import Server, await_motion, both_ways, connect, finish_all, open_streams
from relayed import HostAndGuest, Hosts, dies_and_is_met_again, hosts
from shimmed import await_direct, finish, flow, program

PORT = 5000
HOST = 2
ENOUGH = 100_000  # bytes that tell of motion
SERVE = """
server = vsock(); server.bind((int(sys.argv[1]), int(sys.argv[2]))); server.listen(8)
say("listening")
one, address = server.accept(); say(address[0]); one.sendall(sys.argv[3].encode())
one.shutdown(socket.SHUT_WR); one.recv(1)
"""
CALL = """
one = end(int(sys.argv[1]), int(sys.argv[2]))
say(one.getpeername()[0], one.recv(100).decode())
"""
REFUSED = """
try: end(int(sys.argv[1]), 5000); say("connected")
except OSError as error: say(os.strerror(error.errno))
"""


@pytest.fixture
def both(folder: Path) -> Iterator[Hosts]:
    with hosts(folder) as made:
        made.route()
        yield made


@pytest.fixture
def pair(both: Hosts) -> HostAndGuest:
    """g1 and the host that it is on."""
    made = both.meet(both.g1, both.h1)
    made.await_up()
    return made


def answers_at(client: Agent, cid: int, server: Agent, *, bound: int = 0xFFFFFFFF) -> str:
    """What a program of the client's reads when it connects, and from which address it calls."""
    with program(server, SERVE, bound, PORT, server.name) as serving:
        assert serving.line() == "listening"
        with program(client, CALL, cid, PORT) as calling:
            said = calling.line()
            calling.end()
        return f"{said}, called by {serving.line()}"


def refusal(agent: Agent, cid: int) -> str:
    with program(agent, REFUSED, cid) as calling:
        return calling.end()


def knows_host(agent: Agent, host: Agent | None) -> None:
    number = host.id if host else 0
    wait_until(lambda: agent.call("hello")["host"] == number, f"{agent.name} is on {number}")


# ---- both families, both ways ----


def test_by_path_both_ways(pair: HostAndGuest) -> None:
    flows = both_ways(open_streams(pair, 4))
    await_motion(flows, 1 << 20)
    assert {stream["path"] for stream in pair.g2.streams()} == {"relay"}
    finish_all(flows)


def test_by_port_both_ways(pair: HostAndGuest) -> None:
    assert answers_at(pair.g1, pair.g2.id, pair.g2) == "1001 h1, called by 3"
    assert answers_at(pair.g2, pair.g1.id, pair.g1) == "3 g1, called by 1001"


def test_cid_2_is_the_host(pair: HostAndGuest) -> None:
    assert answers_at(pair.g1, HOST, pair.g2) == "2 h1, called by 3"


def test_a_host_is_at_cid_2_itself(pair: HostAndGuest) -> None:
    assert answers_at(pair.g1, HOST, pair.g2, bound=HOST) == "2 h1, called by 3"
    assert answers_at(pair.g2, HOST, pair.g2) == "2 h1, called by 2"
    with program(pair.g1, "try: vsock().bind((2, 5000))\nexcept OSError as e: say(e)") as guest:
        assert "Cannot assign requested address" in guest.end()


def test_the_host_by_its_other_name(pair: HostAndGuest) -> None:
    server = Server(pair.g2.run_dir, "rpc")
    client = connect(pair.g1.run_dir / "host" / "rpc")
    server.accept().sendall(b"h1")
    assert client.recv(10) == b"h1"
    assert (pair.g1.run_dir / "host").readlink() == Path("h1")
    assert not (pair.g2.run_dir / "host").is_symlink()
    server.close()
    client.close()


# ---- moves ----


def test_a_named_host_is_kept_and_cid_2_is_another_one(both: Hosts, pair: HostAndGuest) -> None:
    new = both.meet(both.g1, both.h2)
    new.await_up()
    flows = both_ways(open_streams(pair, 3))
    await_motion(flows, ENOUGH)
    with flow(pair, cid=HOST) as (client, server):
        both.move("g1", both.h2)
        knows_host(both.g1, both.h2)
        await_motion(flows, ENOUGH)
        assert answers_at(both.g1, HOST, both.h2) == "2 h2, called by 3"
        assert answers_at(both.g1, both.h1.id, both.h1) == "1001 h1, called by 3"
        assert (both.g1.run_dir / "host").readlink() == Path("h2")
        both.move("g1", both.h1)
        knows_host(both.g1, both.h1)
        await_motion(flows, ENOUGH)
        finish(client, server)
    finish_all(flows)


def test_shared_memory_where_they_are_together(both: Hosts, pair: HostAndGuest) -> None:
    flows = both_ways(open_streams(pair, 2))
    for there in (both.h2, both.h1, both.h2):
        region = pair.make_region()
        pair.attach(region)
        (link,) = pair.g2.call("links")["links"]
        assert link["file"] == str(region[0])
        assert pair.hand_over("shm")["from"] == "relay"
        await_motion(flows, ENOUGH)
        assert pair.hand_over("relay")["to"] == "relay"
        assert "file" not in pair.g2.call("links")["links"][0]
        both.move("g1", there)
        pair.await_up()
        await_motion(flows, ENOUGH)
    finish_all(flows)


def test_programs_of_a_host_share_memory_themselves(pair: HostAndGuest) -> None:
    pair.share_memory()
    with flow(pair) as (client, server):
        await_direct(pair.g1)
        await_direct(pair.g2)
        pair.hand_over("relay")
        finish(client, server)


def test_a_killed_agent_of_the_host_ends_streams_and_is_met_again(
    both: Hosts, pair: HostAndGuest
) -> None:
    dies_and_is_met_again(both, pair, both.h1, both.g1)


@pytest.mark.parametrize(
    ("options", "second"),
    [((), [4096] * 3), (("--relay-listen", "127.0.0.1:0"), [4096, 262144, 262144])],
)
def test_what_a_link_may_hold(folder: Path, options: tuple[str, ...], second: list[int]) -> None:
    """A host's links have a budget each, a guest's share one: here for two large windows."""
    agents = [Agent(folder, "g1", 3), Agent(folder, "g2", 4)]
    one = Agent(folder, "h1", 1001, "--memory", "1", *options)
    held = []
    try:
        for guest in agents:
            how = {"key": Hosts.KEY, "address": "127.0.0.1"}
            guest.call("link.add", peer="h1", peer_id=1001, port=one.port, **how)
            one.call("link.add", peer=guest.name, peer_id=guest.id, port=guest.port, **how)
            wait_until(lambda g=guest: g.link()["state"] == "up", "the link is up")
            held.append(open_streams(HostAndGuest(folder, guest, one), 3))
        sizes = {peer: [] for peer in ("g1", "g2")}
        for stream in one.streams():
            sizes[stream["peer"]].append(stream["ring_bytes"])
        assert sorted(sizes["g1"]) == [4096, 262144, 262144]
        assert sorted(sizes["g2"]) == second
    finally:
        stop_all([*agents, one])


# ---- refusals ----


def test_no_grant_with_the_host(both: Hosts) -> None:
    knows_host(both.g1, both.h1)
    assert refusal(both.g1, HOST) == "Permission denied"
    assert refusal(both.g1, both.h1.id) == "No route to host"
    assert not (both.g1.run_dir / "host").is_symlink()


PATIENT = """
import ctypes, struct
SO_VM_SOCKETS_CONNECT_TIMEOUT = 6
def patient():
    made = vsock(); option = socket.AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT
    assert ctypes.CDLL(None).setsockopt(made.fileno(), *option, struct.pack("qq", 60, 0), 16) == 0
    return made
"""
CONNECTS = (
    PATIENT
    + """
one = patient(); say("connects"); one.connect((2, int(sys.argv[1]))); say(one.recv(100).decode())
"""
)
CONNECTS_LATER = (
    PATIENT
    + """
one = patient(); one.setblocking(False)
try: one.connect((2, 5000))
except BlockingIOError as error: say(error.strerror)
say(select.select([], [one], [], 0)[1])
_, writable, _ = select.select([], [one], [])
say(os.strerror(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
"""
)


def test_who_has_just_arrived_waits_to_be_told_where(folder: Path) -> None:
    with hosts(folder) as made:
        made.meet(made.g1, made.h1)
        with (
            program(made.h1, SERVE, 0xFFFFFFFF, PORT + 1, "h1") as server,
            program(made.g1, CONNECTS, PORT + 1) as patient,
            program(made.g1, CONNECTS_LATER) as later,
        ):
            assert (server.line(), patient.line()) == ("listening", "connects")
            assert (later.line(), later.line()) == ("Operation now in progress", "[]")
            made.route()
            assert later.line() == "Connection refused"  # by h1: nobody listens there
            assert patient.line() == "h1"


def test_one_who_gives_up_before_it_is_known_where(folder: Path) -> None:
    """Nothing of it is left to be called later."""
    with hosts(folder) as made:
        pair = made.meet(made.g1, made.h1)
        with program(made.g1, CONNECTS_LATER) as later:
            assert (later.line(), later.line()) == ("Operation now in progress", "[]")
        made.route()
        pair.await_up()
        assert not made.g1.streams() and not made.h1.streams()


def test_a_host_that_nobody_has_told_of(folder: Path) -> None:
    with hosts(folder) as made:
        assert refusal(made.g1, HOST) == "No route to host"
        assert made.g1.call("hello")["host"] == 0


def test_a_revoked_host_is_forgotten(pair: HostAndGuest) -> None:
    Server(pair.g2.run_dir, "rpc")
    wait_until((pair.g1.run_dir / "h1" / "rpc").exists, "the export appears")
    pair.g2.call("link.remove", peer="g1", policy="reset")
    pair.g1.call("link.remove", peer="h1", policy="reset")
    assert refusal(pair.g1, HOST) == "Permission denied"
    assert {each.name for each in pair.g1.run_dir.iterdir()} == {"agent.sock", "self", "shim.sock"}


def test_each_commander_has_its_own_links(both: Hosts) -> None:
    guest = {"peer": "g9", "peer_id": 9, "key": Hosts.KEY}
    both.h1.call("link.add", owner="lab-1", **guest)
    both.h1.call("link.add", owner="lab-1", **guest)
    for other in ({"owner": "lab-2"}, {}):
        with pytest.raises(Refused, match="clash"):
            both.h1.call("link.add", **other, **guest)
    with pytest.raises(Refused, match="no-link"):
        both.h1.call("link.remove", peer="g9", owner="lab-2")
    (link,) = both.h1.call("links")["links"]
    assert link["owner"] == "lab-1"
    both.h1.call("link.remove", peer="g9", owner="lab-1")


def test_a_stream_says_whose_it_is(pair: HostAndGuest) -> None:
    pair.g2.call("link.remove", peer="g1", policy="reset")
    pair.g2.call("link.add", peer="g1", peer_id=pair.g1.id, key=Hosts.KEY, owner="lab-1")
    pair.await_up()
    server = Server(pair.g2.run_dir, "rpc")
    client = connect(pair.g1.run_dir / "h1" / "rpc")
    server.accept()
    assert [stream["owner"] for stream in pair.g2.streams()] == ["lab-1"]
    client.close()


# ---- the command ----


def domsock(agent: Agent, *argv: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(BUILD / "domsock"), *argv, "--run-dir", str(agent.run_dir)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def test_the_command_in_guest_and_host(pair: HostAndGuest) -> None:
    relay = "through the hosts (relay): there is no network between the domains\n"
    for domain in ("h1", "1001", "2", "host"):
        assert domsock(pair.g1, "path", domain).stdout == relay
        assert "answers" in domsock(pair.g1, "ping", domain, "-c", "1").stdout
    assert domsock(pair.g2, "path", "g1").stdout == relay
    assert "answers" in domsock(pair.g2, "ping", "g1", "-c", "1").stdout
    (line,) = (line for line in domsock(pair.g1, "ls").stdout.splitlines() if "h1" in line)
    assert line.split() == ["h1", "1001", "up", "relay", "0", "0.0", "this", "host"]


def test_requests_by_the_command(pair: HostAndGuest) -> None:
    asked = ['{"id": 7, "op": "hello"}', "", '{"id": 8, "op": "dance"}', '{"id": "x", "op":"ping"}']
    done = domsock(pair.g2, "ctl", given="\n".join(asked) + "\n")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [7, 8, "x"]
    assert (answers[0]["name"], answers[0]["host"]) == ("h1", 1001)
    assert [answer["ok"] for answer in answers] == [True, False, True]
    wrong = domsock(pair.g2, "ctl", given="[\n")
    assert (wrong.returncode, "is no JSON object" in wrong.stderr) == (1, True)


# ---- a guest that lies ----


@pytest.fixture
def liar(both: Hosts) -> Iterator[LyingGuest]:
    """A guest with id 5 on h1."""
    made = LyingGuest(both.folder / "domsock.data")
    both.tell(both.h1, 5, socket=str(made.socket))
    assert made.greet() == both.h1.id
    yield made
    made.close()


def test_a_guest_speaks_for_nobody_else(both: Hosts, pair: HostAndGuest, liar: LyingGuest) -> None:
    """Not for its host, nor for another guest, nor for one of a channel that there is."""
    for source, target in ((1001, 3), (3, 1001), (4, 3), (1002, 1001)):
        for kind in (lying.OPEN, lying.CLOSE, lying.CREDIT, lying.PROBE):
            liar.say(kind, source, target, channel=1, amount=1)
    liar.say(lying.PROBE, 5, 3, channel=2)
    assert liar.hear(lying.CLOSE)["channel"] == 2  # all before it has been heard
    assert both.h1.call("routes")["channels"] == 1
    flows = both_ways(open_streams(pair, 1))
    await_motion(flows, ENOUGH)
    finish_all(flows)


def test_calls_at_a_host_take_nothing_from_it(
    both: Hosts, pair: HostAndGuest, liar: LyingGuest
) -> None:
    before = len(list(Path(f"/proc/{both.h1.process.pid}/fd").iterdir()))
    for channel in range(1000):
        liar.say(lying.OPEN, 5, 1001, channel=channel)
    for channel in range(1000):
        assert liar.hear(lying.CLOSE)["channel"] == channel
    assert both.h1.call("routes")["channels"] == 1
    assert len(list(Path(f"/proc/{both.h1.process.pid}/fd").iterdir())) == before
    pair.g2.call("link.remove", peer="g1")
    pair.g2.call("link.add", peer="g1", peer_id=3, key=Hosts.KEY)
    pair.await_up()
