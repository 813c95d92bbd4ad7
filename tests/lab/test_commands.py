"""The commands on a testbed that stays up, and what they say to bad input."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from harness import clock, run
from tests.lab.support import User, emulator, nothing_left


def test_ls_and_inspect_show_where_guests_are(lasting: User) -> None:
    assert "g1" in lasting.ok("ls")
    found = lasting.json("inspect", "lab")
    assert where(lasting, "lab") == {"g1": "h1", "g2": "h1"}
    assert found["grants"][0]["path"] == "shm"
    assert found["accelerator"] in ("kvm", "tcg")


def test_grants_show_the_region(lasting: User) -> None:
    [grant] = lasting.json("grants")
    assert grant["between"] == ["g1", "g2"] and grant["region"].startswith("domsock.lab-")


def test_exec_passes_output_and_exit_code_on(lasting: User) -> None:
    done = lasting.run("exec", "g1", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_an_agent_in_a_guest_is_not_root(lasting: User) -> None:
    """It has no capability; its opener keeps those to become another, and to enable a device."""
    show = "cat $(grep -l ^Name:.domsock /proc/[0-9]*/status)"
    lines = lasting.ok("exec", "g1", "--", "sh", "-c", show).splitlines()
    said = [(key, value.split()) for key, _, value in (line.partition(":") for line in lines)]
    found = {key: [value for name, value in said if name == key] for key, _ in said}
    assert found["Name"] == [["domsockd"], ["domsock-opener"]]
    assert found["Uid"] == [["65533"] * 4, ["0"] * 4]
    assert (
        found["CapBnd"] == found["CapPrm"] == [[f"{0:016x}"], [f"{1 << 6 | 1 << 7 | 1 << 21:016x}"]]
    )
    assert found["NoNewPrivs"] == [["1"]] * 2 and found["Seccomp"] == [["2"]] * 2


def test_a_stock_program_talks_to_another_guest_and_streams_shows_it(lasting: User) -> None:
    serve = (
        "umask 0; setsid /usr/bin/nc -lU /run/domsock/self/chat >/run/chat.out 2>&1 </dev/zero &"
    )
    lasting.ok("exec", "g2", "--", "sh", "-c", serve)
    talk = (
        "for i in $(seq 100); do [ -S /run/domsock/g2/chat ] && break; sleep 0.1; done;"
        "setsid /usr/bin/sh -c '(echo hello; sleep 60) | nc -U /run/domsock/g2/chat' "
        ">/dev/null 2>&1 &"
    )
    lasting.ok("exec", "g1", "--", "sh", "-c", talk)
    clock.wait_until(
        lambda: (
            lasting.run("exec", "g2", "--", "grep", "-q", "hello", "/run/chat.out").returncode == 0
        ),
        within=30,
        what="hello to arrive",
    )
    rows = lasting.json("streams")
    assert {row["guest"] for row in rows} == {"g1", "g2"}
    assert {row["path"] for row in rows} == {"shm"} and rows[0]["name"] == "chat"


@pytest.mark.parametrize("command", ["console", "ssh"])
def test_a_shell_answers(lasting: User, command: str) -> None:
    """The image has no sshd: its shell is the one on the console."""
    master, slave = pty.openpty()
    process = run.spawn(
        lasting.argv(command, "g1"), env=lasting.env, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        seen.extend(os.read(master, 4096))
        return text in seen

    try:
        clock.wait_until(lambda: shows(b"Ctrl-]"), within=30, what="the console")
        os.write(master, b"echo $((6*7))\r")
        clock.wait_until(lambda: shows(b"42"), within=30, what="an answer")
        os.write(master, b"\x1d")
        assert run.wait(process, 10) == 0
    finally:
        run.terminate(process)
        os.close(master)


def test_ssh_runs_a_command_as_the_guest_s_shell_reads_it(lasting: User) -> None:
    done = lasting.run("ssh", "g1", "--", "echo $(uname -n) $((6*7)); exit 3")
    assert (done.returncode, done.stdout) == (3, "g1 42\n")


def test_what_a_console_printed_is_not_lost(lasting: User) -> None:
    assert "testbed: ready g2" in lasting.ok("console", "g2", "--log")


def test_logs_say_whose_they_are(lasting: User) -> None:
    of_guest = lasting.ok("logs", "g1")
    assert "h1:libvirt/qemu/g1-console.log | testbed: ready g1" in of_guest
    assert "g1:domsockd.log | " in of_guest and "g2:" not in of_guest
    assert "h2:libvirt/libvirtd.log | " in lasting.ok("logs", "h2")
    assert lasting.run("logs", "g9").returncode == 2


def test_files_go_there_and_back(lasting: User, tmp_path: Path) -> None:
    data = os.urandom(300_001)
    (tmp_path / "there").write_bytes(data)
    (tmp_path / "there").chmod(0o741)
    for machine in ("g1", "h2"):
        lasting.ok("cp", str(tmp_path / "there"), f"{machine}:/tmp/")
        lasting.ok("cp", f"{machine}:/tmp/there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == data
    assert "741" in lasting.ok("exec", "g1", "--", "stat", "-c", "%a", "/tmp/there")
    refused = lasting.run("cp", "g1:/tmp/absent", str(tmp_path / "x"))
    assert refused.returncode == 2 and not (tmp_path / "x").exists()
    assert lasting.run("cp", "a", "b").returncode == 2
    lasting.ok("exec", "g1", "--", "rm", "/tmp/there")


@pytest.mark.long
def test_doctor_tries_the_hosts_of_a_testbed_that_runs(lasting: User) -> None:
    """Beside its guests, which stay as they are."""
    before = lasting.json("inspect", "lab")["guests"]
    said = " ".join(lasting.ok("doctor", "lab").split())
    for host in ("h1", "h2"):
        assert f"{host}: region plugged in" in said
    assert lasting.json("inspect", "lab")["guests"] == before


def test_a_prompt_has_the_testbed_s_machines(lasting: User) -> None:
    typed = "print(g1.succeed('uname -n'), h2.succeed('uname -n'), g1.host, testbed.hosts)\n"
    done = run.run(lasting.argv("repl"), input=typed, env=lasting.env, cwd=lasting.home)
    assert "g1\n h2\n h1 {'h1': <host h1>, 'h2': <host h2>}" in done.stdout


def test_the_deadline_holds_inside_the_lab(lasting: User) -> None:
    done = lasting.run("exec", "--timeout", "3s", "g1", "--", "sleep", "60")
    assert done.returncode == 69 and "--timeout 3 s has passed during: testbed exec" in done.stderr


REFUSED = {
    ("migrate", "g9", "--to", "h2"): "there is no guest 'g9'",
    ("migrate", "g1", "--to", "h9"): "there is no host 'h9'",
    ("migrate", "g1", "--to", "h1"): "g1 is on h1 already",
    ("exec", "g9", "--", "true"): "there is no guest 'g9'",
    ("up",): "lab is up already",
    ("down", "other"): "there is no testbed 'other'",
    ("inspect", "other"): "no testbed 'other' runs here",
}


def test_bad_input_is_refused_and_nothing_touched(lasting: User) -> None:
    before = lasting.json("inspect", "lab")["guests"]
    for arguments, said in REFUSED.items():
        done = lasting.run(*arguments)
        assert done.returncode == 2, arguments
        assert said in " ".join(done.stderr.split()), arguments
    assert lasting.json("inspect", "lab")["guests"] == before


def test_migrate_there_and_back(lasting: User) -> None:
    assert "g1" in lasting.ok("migrate", "g1", "--to", "h2")
    [apart] = lasting.json("grants")
    assert (apart["path"], apart["region"]) == ("tcp", None)
    lasting.ok("migrate", "g1", "--to", "h1")
    [together] = lasting.json("grants")
    assert together["path"] == "shm" and together["generation"] > 1


@pytest.mark.parametrize("guest", ["g1", "g2"])
def test_a_guest_whose_link_s_agent_was_started_anew_moves(lasting: User, guest: str) -> None:
    """Nobody watches: the command itself sees to it that the two agents know each other."""
    shell = ("exec", guest, "--", "sh", "-c")
    lasting.ok(*shell, "kill -9 $(pidof domsockd)")
    clock.wait_until(
        lambda: lasting.run(*shell, "pidof domsockd").returncode == 0,
        within=30,
        what="init to start the agent again",
    )
    lasting.ok("migrate", "g1", "--to", "h2")
    lasting.ok("migrate", "g1", "--to", "h1")
    assert lasting.json("inspect", "lab")["grants"][0]["path"] == "shm"


def test_a_grant_is_taken_back_and_given_again(lasting: User) -> None:
    lasting.ok("revoke", "g1", "g2")
    [revoked] = lasting.json("grants")
    assert (revoked["path"], revoked["region"], revoked["revoked"]) == ("tcp", None, True)
    for arguments, said in (
        (["revoke", "g1", "g2"], "is revoked already"),
        (["grant", "g1", "g9"], "there is no domain 'g9'"),
        (["grant", "g1", "g1"], "not g1 with itself"),
        (["grant", "g1", "g2", "--size", "5 MiB"], "not a power of two"),
        (["grant", "g1", "g2", "--size", "1 GiB"], "of /dev/shm, and the region needs 1024 MiB"),
    ):
        done = lasting.run(*arguments)
        assert done.returncode == 2 and said in " ".join(done.stderr.replace("│", "").split())
    assert "they share memory" in lasting.ok("grant", "g1", "g2", "--size", "4 MiB")
    [granted] = lasting.json("grants")
    assert (granted["path"], granted["size"], granted["revoked"]) == ("shm", 4 << 20, False)


LONE = """
name: lone
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1}, g2: {host: h1}}
grants: [{between: [g1, g2]}]
"""


def test_a_guest_whose_peer_has_crashed_moves(root: User) -> None:
    """QEMU migrates no guest with a region in it, and there is nobody left to hand over with."""
    with root.standing("lone", LONE):
        emulator("g2", root.lab_of("lone").record.init.pid).kill()
        clock.wait_until(
            lambda: where(root, "lone").get("g2") != "h1",
            within=30,
            what="libvirt to miss g2",
        )
        root.ok("migrate", "-t", "lone", "g1", "--to", "h2")
        assert where(root, "lone")["g1"] == "h2"


def where(user: User, testbed: str) -> dict[str, str]:
    return {guest["name"]: guest["host"] for guest in user.json("inspect", testbed)["guests"]}


def test_gc_leaves_a_running_testbed_alone(lasting: User) -> None:
    assert "left alone lab: it is up" in lasting.ok("gc")
    assert lasting.json("inspect", "lab")["guests"][0]["state"] == "running"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nhosts: {h1: {}}\ngests: {}\n", "did you mean 'guests'?"),
        ("name: x\nhosts:\n  h1: {}\n  h1: {}\n", "t.yaml:4"),
        ("name: x\nhosts: {h1: {shm: 1 GiB}}\nguests: {g1: {host: h1, memory: 9999 GiB}}\n", "MiB"),
    ],
)
def test_a_bad_topology_starts_nothing(root: User, text: str, said: str) -> None:
    (root.home / "t.yaml").write_text(text)
    with nothing_left():
        done = root.run("up", "t.yaml")
    assert done.returncode == 2 and said in done.stderr
    assert not (root.home / "state" / "testbeds").exists()


def test_results_that_cannot_be_written_are_refused_first(root: User) -> None:
    user = User(root.home, extra={"TESTBED_RESULTS": "/proc/results"})
    with nothing_left():
        done = user.run("demo")
    assert done.returncode == 2 and "results folder cannot be written" in done.stderr
