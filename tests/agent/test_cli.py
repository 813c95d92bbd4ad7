"""The domsock command."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest
from agents import BUILD, Agent, Pair, wait_until
from programs import Server, connect
from shimmed import program

NONCE = "00112233445566778899aabbccddeeff"
CREATE = ["--size", "1048576", "--nonce", NONCE, "--ids", "4,3", "--generation", "1"]


def domsock(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BUILD / "domsock"), *argv], capture_output=True, text=True, check=False
    )


def test_region_create_show_rm(folder: Path) -> None:
    path = folder / "region"
    created = domsock("region", "create", str(path), *CREATE, "--mode", "0640")
    assert created.returncode == 0, created.stderr
    assert json.loads(created.stdout) == {
        "path": str(path),
        "size": 1 << 20,
        "nonce": NONCE,
        "ids": [3, 4],
        "generation": 1,
        "abi": 1,
    }
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20  # allocated in full
    assert path.stat().st_mode & 0o777 == 0o640
    assert json.loads(domsock("region", "show", str(path)).stdout)["nonce"] == NONCE
    wrong = domsock("region", "rm", str(path), "--nonce", "00" * 16)
    assert wrong.returncode == 1
    assert "another nonce" in wrong.stderr
    assert path.exists()
    assert domsock("region", "rm", str(path), "--nonce", NONCE).returncode == 0
    assert not path.exists()


def test_a_region_is_never_overwritten(folder: Path) -> None:
    path = folder / "region"
    path.write_text("precious")
    refused = domsock("region", "create", str(path), *CREATE)
    assert refused.returncode == 1
    assert "every region needs a fresh file" in refused.stderr
    assert path.read_text() == "precious"
    assert domsock("region", "rm", str(path), "--nonce", NONCE).returncode == 1
    assert path.read_text() == "precious"


def test_a_region_larger_than_the_filesystem(folder: Path) -> None:
    mount = folder / "small"
    mount.mkdir()
    path = mount / "region"
    script = f"mount -t tmpfs -o size=2m none {mount} && exec {BUILD}/domsock region create {path} "
    script += f"--size 4194304 --nonce {NONCE} --ids 3,4 --generation 1; ls {mount}"
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result
    assert "bytes free" in result.stderr
    assert "smaller region" in result.stderr


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["region"],
        ["region", "create"],
        ["region", "create", "x"],
        ["region", "create", "x", *CREATE, "y"],
        ["region", "create", "x", "--size", "1048577", *CREATE[2:]],
        ["region", "create", "x", "--size", "524288", *CREATE[2:]],
        ["region", "create", "x", "--size", "-1", *CREATE[2:]],
        ["region", "create", "x", *CREATE, "--ids", "3,3"],
        ["region", "create", "x", *CREATE, "--nonce", "12"],
        ["region", "create", "x", *CREATE, "--mode", "9"],
        ["region", "show", "x", "--size", "1"],
        ["ls", "--fly"],
        ["ls", "here"],
        ["path"],
        ["ping", "g2", "g3"],
        ["ping", "g2", "-c", "none"],
        ["nc", "g2"],
        ["nc", "-l"],
        ["bench"],
        ["bench", "--serve", "g2"],
    ],
)
def test_usage_errors(argv: list[str]) -> None:
    result = domsock(*argv)
    assert result.returncode == 2
    assert result.stderr.startswith(("domsock: ", f"{BUILD}/domsock: "))
    assert "usage:" in result.stderr


def test_no_agent(folder: Path) -> None:
    result = domsock("ls", "--run-dir", str(folder))
    assert result.returncode == 1
    assert "is domsockd running?" in result.stderr


def at(agent: Agent) -> list[str]:
    return ["--run-dir", str(agent.run_dir)]


def test_ls_links_streams_ping(pair: Pair) -> None:
    server = Server(pair.g1.run_dir, "a/service")
    client = connect(pair.g2.run_dir / "g1" / "a" / "service")
    accepted = server.accept()
    client.sendall(b"hello")
    assert accepted.recv(10) == b"hello"
    listed = domsock("ls", *at(pair.g2)).stdout
    assert re.search(r"^g1 +3 +up +tcp +1 ", listed, re.M), listed
    assert listed.endswith("\ng1/a/service\n")
    assert domsock("ls", *at(pair.g1)).stdout.endswith("\nself/a/service\n")
    assert json.loads(domsock("ls", "--json", *at(pair.g2)).stdout)["remote"] == {
        "g1": ["a/service"]
    }
    assert "up" in domsock("links", *at(pair.g2)).stdout
    assert json.loads(domsock("links", "--json", *at(pair.g2)).stdout)["links"][0]["peer"] == "g1"
    assert "a/service" in domsock("streams", *at(pair.g2)).stdout
    assert len(json.loads(domsock("streams", "--json", *at(pair.g2)).stdout)["streams"]) == 1
    assert domsock("ping", *at(pair.g2)).stdout == "the agent answers\n"


def test_ls_tells_what_is_not_shown_and_which_ports_there_are(pair: Pair) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        datagram.bind(str(pair.g1.run_dir / "self" / "datagram"))
        wait_until(lambda: pair.g1.call("exports")["withheld"], "it is looked at")
        with program(pair.g1, "s = listener(5000, 7); say('listening'); sys.stdin.read()") as made:
            assert made.line() == "listening"
            said = domsock("ls", *at(pair.g1)).stdout
    assert re.search(r"^self/datagram +not shown: it is not a stream socket$", said, re.M), said
    assert re.search(r"^port 5000 +backlog 7, waiting 0$", said, re.M), said


def test_streams_can_be_watched(pair: Pair) -> None:
    argv = [str(BUILD / "domsock"), "streams", "--watch", *at(pair.g1)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert watching.stdout.readline().startswith("id ")
        assert watching.stdout.readline() == "\n"
        assert watching.stdout.readline().startswith("id ")
        watching.terminate()


def test_ping_and_path_of_a_domain(pair: Pair) -> None:
    said = domsock("ping", "g2", "-c", "2", *at(pair.g1)).stdout
    assert re.fullmatch(r"(g2 answers: \d+\.\d\d ms\n){2}", said), said
    assert domsock("path", "g2", *at(pair.g1)).stdout == "TCP\n"
    pair.attach(pair.make_region())
    pair.hand_over("shm")
    words = "shared memory on this host: fast, and host-local\n"
    assert domsock("path", "g2", *at(pair.g1)).stdout == words
    assert json.loads(domsock("path", "g2", "--json", *at(pair.g1)).stdout)["path"] == "shm"
    for command in ("ping", "path"):
        unknown = domsock(command, "g9", *at(pair.g1))
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert 'no grant with a domain "g9"' in unknown.stderr


@pytest.mark.parametrize(("listen", "call"), [("5000", "5000"), ("a-name", "a-name")])
def test_nc_by_port_and_by_path(pair: Pair, listen: str, call: str) -> None:
    serve = [str(BUILD / "domsock"), "nc", "-l", listen, *at(pair.g2)]
    with subprocess.Popen(serve, stdin=-1, stdout=-1, text=True) as server:
        wait_until(lambda: _listens(pair, listen), "it listens")
        talk = [str(BUILD / "domsock"), "nc", "g2", call, *at(pair.g1)]
        with subprocess.Popen(talk, stdin=-1, stdout=-1, text=True) as client:
            assert client.stdin
            client.stdin.write("question\n")
            client.stdin.close()
            assert server.stdout
            assert server.stdout.readline() == "question\n"
            assert server.stdin
            server.stdin.write("answer\n")
            server.stdin.close()
            assert client.stdout
            assert client.stdout.read() == "answer\n"
            assert (client.wait(), server.wait()) == (0, 0)


def _listens(pair: Pair, where: str) -> bool:
    ports = [str(port["port"]) for port in pair.g2.call("exports")["ports"] if port["listens"]]
    return where in ports or (pair.g1.run_dir / "g2" / where).exists()


def test_nc_to_nobody(pair: Pair) -> None:
    for where in ("5000", "nothing"):
        done = domsock("nc", "g2", where, *at(pair.g1))
        assert done.returncode == 1
        assert "nobody listens there, or it is not shown here" in done.stderr


def test_bench(pair: Pair) -> None:
    nobody = domsock("bench", "g2", *at(pair.g1))
    assert nobody.returncode == 1
    assert "next, there: domsock bench --serve" in nobody.stderr
    serve = [str(BUILD / "domsock"), "bench", "--serve", *at(pair.g2)]
    with subprocess.Popen(serve, stdout=-1, text=True) as server:
        assert server.stdout
        assert server.stdout.readline().startswith("serving")
        done = domsock("bench", "g2", "--json", *at(pair.g1))
        server.terminate()
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["mb_s"] > 0
    assert measured["round_trip_us"]["p99"] >= measured["round_trip_us"]["p50"] > 0


def test_the_agents_own_usage_errors() -> None:
    for argv in (
        [],
        ["--name", "g1"],
        ["--name", "a/b", "--id", "3"],
        ["--name", "g1", "--id", "2"],
    ):
        result = subprocess.run(
            [str(BUILD / "domsockd"), *argv], capture_output=True, text=True, check=False
        )
        assert result.returncode == 2
        assert "usage: domsockd" in result.stderr
