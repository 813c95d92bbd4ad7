"""The domsock command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from agents import BUILD, Pair
from programs import Server, connect

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


def test_ls_links_streams_ping(pair: Pair) -> None:
    server = Server(pair.g1.run_dir, "a/service")
    client = connect(pair.g2.run_dir / "g1" / "a" / "service")
    accepted = server.accept()
    client.sendall(b"hello")
    assert accepted.recv(10) == b"hello"
    where = ["--run-dir", str(pair.g2.run_dir)]
    assert domsock("ls", *where).stdout == "g1/a/service\n"
    assert domsock("ls", "--run-dir", str(pair.g1.run_dir)).stdout == "self/a/service\n"
    assert "up" in domsock("links", *where).stdout
    assert json.loads(domsock("links", "--json", *where).stdout)["links"][0]["peer"] == "g1"
    assert "a/service" in domsock("streams", *where).stdout
    assert len(json.loads(domsock("streams", "--json", *where).stdout)["streams"]) == 1
    assert domsock("ping", *where).stdout == "the agent answers\n"


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
