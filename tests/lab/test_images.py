"""The micro image, really booted: by bare QEMU, so that nothing but the image is tested."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import clock, config, run
from harness.events import EventLog
from harness.images.image import Image, probe_command_line
from harness.images.micro import build_micro
from harness.virt import emulator
from tests.perf.boot import CHANNELS, BareGuest, bare_arguments

CTL, _, GUEST_AGENT = CHANNELS
PROMPT = r"g1:/# "


@pytest.fixture(scope="session")
def image() -> Image:
    for folder in ("guest-agent", "workloads"):
        run.run(["make", "-C", str(config.REPOSITORY / folder)], within=300)
    return build_micro(config.cache_dir(), config.REPOSITORY, EventLog())


class Ports:
    """The host's ends of a guest's virtio-serial ports, as sockets."""

    def __init__(self, folder: Path) -> None:
        self.paths = {name: folder / name for name in CHANNELS}

    def arguments(self) -> list[str]:
        made = []
        for number, (name, path) in enumerate(self.paths.items()):
            chardev = f"socket,id=port{number},path={path},server=on,wait=off"
            made += ["-chardev", chardev]
            made += ["-device", f"virtserialport,chardev=port{number},name={name}"]
        return made

    def ask(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """One JSON line there, and the answer, whatever else comes in between."""
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(60)
            port.connect(str(self.paths[name]))
            port.sendall(json.dumps(request).encode() + b"\n")
            for line in filter(bytes.strip, port.makefile("rb")):
                answer = json.loads(line)
                if "event" not in answer:
                    return dict(answer)
        raise AssertionError(f"{name} closed without an answer")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Ports:
    return Ports(tmp_path_factory.mktemp("ports"))


@pytest.fixture(scope="module")
def guest(image: Image, ports: Ports) -> Iterator[BareGuest]:
    """One guest for all tests that only look."""
    booted = BareGuest(image, "g1", ports.arguments())
    try:
        booted.ready()
        booted.expect(PROMPT)
        yield booted
    finally:
        booted.close()


def shell(guest: BareGuest, command: str) -> str:
    """What a command prints on the guest's console."""
    shell.count = getattr(shell, "count", 0) + 1
    mark = f"done-{shell.count}"
    # The echo of what was typed must not look like the mark.
    guest.type(f"{command}; echo done''-{shell.count}\n")
    guest.expect(rf"^{mark}$")
    return guest.console.rpartition(f"''-{shell.count}\n")[2].partition(mark)[0]


def test_the_guest_says_who_it_is(guest: BareGuest) -> None:
    assert shell(guest, "hostname").strip() == "g1"
    assert "inet 10.99.0.3/16" in shell(guest, "ip address show eth0")
    assert "LOWER_UP" in shell(guest, "ip link show lo")


def test_the_qemu_guest_agent_answers(guest: BareGuest, ports: Ports) -> None:
    assert ports.ask(GUEST_AGENT, {"execute": "guest-ping"}) == {"return": {}}


def test_the_agent_says_hello_on_its_port(guest: BareGuest, ports: Ports) -> None:
    answer = ports.ask(CTL, {"id": 1, "op": "hello"})
    assert (answer["ok"], answer["name"]) == (True, "g1")


def test_the_agent_is_started_again_when_it_dies(guest: BareGuest, ports: Ports) -> None:
    before = ports.ask(CTL, {"id": 1, "op": "hello"})["pid"]
    shell(guest, f"kill -9 {before}")
    guest.expect("domsockd has ended, it is started again")
    after = ports.ask(CTL, {"id": 2, "op": "hello"})["pid"]
    assert after != before


@pytest.mark.parametrize("command", ["nc -h", "sh -c 'nc -h'", "/usr/bin/nc -h"])
def test_nc_is_netcat_openbsd(guest: BareGuest, command: str) -> None:
    assert "OpenBSD netcat" in shell(guest, f"{command} 2>&1 | head -n 1")


def test_the_oracle_runs_and_is_not_the_bottleneck(guest: BareGuest) -> None:
    server = "oracle --listen /tmp/o --send-seed 1 --expect-seed 2 --bytes 10000000"
    client = "oracle --connect /tmp/o --send-seed 2 --expect-seed 1 --bytes 10000000"
    told = shell(guest, f"{server} > /tmp/first & {client}; echo code $?; wait; cat /tmp/first")
    assert told.count('"bytes_verified": 10000000') == 2
    assert "code 0" in told


def test_the_files_systems_are_there(guest: BareGuest) -> None:
    mounted = shell(guest, "mount")
    for place in ("/proc", "/sys", "/dev", "/run", "/dev/shm", "/dev/pts"):
        assert f" on {place} type " in mounted


def test_nothing_complains(guest: BareGuest) -> None:
    before_ready = guest.console.partition("testbed: ready")[0]
    assert before_ready.strip() == ""


def test_the_shell_comes_back(guest: BareGuest) -> None:
    prompts = guest.console.count("g1:/# ")
    guest.type("exit\n")
    clock.wait_until(lambda: guest.console.count("g1:/# ") > prompts, within=60, what="a new shell")


def test_a_guest_without_devices_still_gets_ready(image: Image) -> None:
    bare = BareGuest(image, "g1")
    try:
        assert bare.ready() > 0
    finally:
        bare.close()


def test_a_kernel_panic_is_seen_on_the_console(image: Image) -> None:
    doomed = BareGuest(image, "g1")
    try:
        doomed.expect(PROMPT)
        doomed.type("echo c > /proc/sysrq-trigger\n")
        doomed.expect("Kernel panic - not syncing: sysrq triggered crash")
        clock.wait_until(lambda: doomed.ended, within=60, what="the end of a guest in panic")
    finally:
        doomed.close()


def test_a_probe_says_ready_and_powers_off(image: Image) -> None:
    boot = ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    argv = [emulator.DEFAULT, *bare_arguments(), *boot, "-append", probe_command_line(image)]
    done = run.run(argv, within=120)
    assert "testbed: ready probe " in done.stdout
