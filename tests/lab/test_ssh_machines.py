"""Real machines, as far as this one can show: two hosts that SSH alone leads to.

Nothing but `testbed -i INVENTORY` makes anything on them; plain ssh looks at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import clock, config
from tests.lab.ssh_machines import Controller, kill, ssh_machines
from tests.lab.support import nothing_left

INVENTORY = ("-i", "machines.yaml")
TOPOLOGY = """
name: rack
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1}, g2: {host: h1}}
grants: [{between: [g1, g2], size: 1 MiB}]
"""
# all that a testbed could leave on a host: guests, regions, images, claims, interfaces, links
LOOK = (
    "pgrep -a qemu; ls -A /dev/shm; cd /var/lib/domsock && find . -path ./bin -prune -o -type f "
    "-not -name .lock -print; ip -brief link; ls /var/log/libvirt/qemu; bin/domsock links"
)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """Two machines, provisioned; nothing of them is left after the tests."""
    home = tmp_path_factory.mktemp("rack")
    (home / "cache").symlink_to(config.cache_dir())
    (home / "rack.yaml").write_text(TOPOLOGY)
    with nothing_left(), ssh_machines(home, "h1", "h2") as made:
        assert "changed h1: Copy the agent" in made.ok("provision", *INVENTORY)
        yield made


def traces(user: Controller) -> dict[str, list[str]]:
    """What each host carries beside what made it a host. libvirt keeps its logs of guests."""
    seen = {host: user.on(host, LOOK).stdout.splitlines() for host in ("h1", "h2")}
    kept = ("g1.log", "g2.log")
    return {host: [line for line in lines if line not in kept] for host, lines in seen.items()}


def test_a_second_provision_changes_nothing_and_a_check_says_what_would(user: Controller) -> None:
    assert user.on("h2", "rm", "/var/lib/domsock/bin/admit-region").returncode == 0
    task = "h2: Let QEMU have regions as their owner, and by SELinux's type"
    assert f"would change {task}" in user.ok("provision", *INVENTORY, "--check")
    said = user.ok("provision", *INVENTORY).splitlines()
    assert [line for line in said if "change" in line] == [f"changed {task}"]


def test_a_testbed_lives_moves_and_leaves_nothing(user: Controller) -> None:
    user.on("h1", "ip link add theirs0 type bridge")
    before = traces(user)
    user.ok("up", "rack.yaml", *INVENTORY)
    try:
        assert "g1 on h1, g2 on h1" in user.ok("ls")
        assert user.ok("exec", "-t", "rack", "g1", "--", "uname", "-n") == "g1\n"
        user.ok("migrate", "-t", "rack", "g1", "--to", "h2")
        [apart] = user.json("grants", "-t", "rack")
        user.ok("migrate", "-t", "rack", "g2", "--to", "h2")
        [together] = user.json("grants", "-t", "rack")
        assert (apart["path"], together["path"], together["host"]) == ("tcp", "shm", "h2")
        assert "they share memory" in user.ok("grant", "g1", "h2", "-t", "rack", "--size", "1 MiB")
        assert "shm" in user.on("h2", "/var/lib/domsock/bin/domsock links").stdout
        stranger = Controller(
            user.home, extra={"TESTBED_STATE": str(user.home / "else")}, lab=user.lab
        )
        taken = stranger.run("up", "rack.yaml", *INVENTORY)
        assert taken.returncode == 2 and "h1 carries a testbed already" in taken.stderr
        assert "it is up; testbed down" in stranger.ok("gc", *INVENTORY)
    finally:
        user.ok("down", "rack")
    assert traces(user) == before


@pytest.mark.long
def test_doctor_proves_each_host_and_finds_a_fault(user: Controller) -> None:
    """Both hosts are good ones, but the second lets nobody in but us."""
    before = traces(user)
    keys = "/root/.ssh/authorized_keys"
    user.on("h2", f"mv {keys} {keys}.kept && cp /run/lab/login.pub {keys}")
    try:
        done = user.run("doctor", *INVENTORY)
    finally:
        user.on("h2", f"mv {keys}.kept {keys}")
    assert done.returncode == 1
    for host in ("h1", "h2"):
        assert f"✓  {host}: region" in done.stdout
    for way in ("h1 → h2", "h2 → h1"):
        assert f"✓  {way}: VXLAN" in done.stdout
        assert f"✓  {way}: port 7778" in done.stdout
    assert "✗  h1 → h2: migration URI" in done.stdout
    assert "✓  h2 → h1: migration URI" in done.stdout
    assert traces(user) == before


@pytest.mark.long
def test_what_a_killed_up_left_is_swept_from_anywhere(user: Controller, tmp_path: Path) -> None:
    before = traces(user)
    with user.started("up", "rack.yaml", *INVENTORY) as process:
        clock.wait_until(
            lambda: "qemu" in user.on("h1", "pgrep -a qemu").stdout or process.poll() is not None,
            within=120,
            what="a guest",
        )
        kill(process)
    assert traces(user) != before
    stranger = Controller(user.home, extra={"TESTBED_STATE": str(tmp_path)}, lab=user.lab)
    clock.wait_until(
        lambda: "swept rack-" in stranger.ok("gc", *INVENTORY), within=60, what="the sweep"
    )
    assert traces(user) == before
    assert "nothing to sweep" in stranger.ok("gc", *INVENTORY)
    assert "swept rack" in user.ok("gc")
