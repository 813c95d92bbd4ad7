"""The roles' scripts, by the real shell, on machines whose programs are the test's."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import jinja2
import pytest

from harness import run
from harness.config import REPOSITORY

ROLES = REPOSITORY / "playbooks" / "roles"
PORTS = ["49152:49215/tcp", "4789/udp"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs, each of which notes how it was called in `calls`."""
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(machine: Path, name: str, body: str) -> None:
    path = machine / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>{machine}/calls\n{body}\n')
    path.chmod(0o755)


def script(machine: Path, name: str, *arguments: str, **env: str) -> run.Completed:
    path = f"{machine}/bin:/usr/bin:/bin"
    argv = ["sh", str(ROLES / name), *arguments]
    return run.run(argv, env={"PATH": path, "HOME": str(machine), **env}, check=False)


def calls(machine: Path) -> list[str]:
    return (machine / "calls").read_text().splitlines()


def test_without_a_firewall_nothing_is_opened(machine: Path) -> None:
    done = script(machine, "firewall/files/open-ports", "10.0.0.2", *PORTS)
    assert (done.returncode, done.stdout) == (0, "")


UFW = """
case $* in
status) echo "Status: active";;
"show added") cat "$HOME/rules" 2>/dev/null || :;;
*) echo "ufw $*" >>"$HOME/rules";;
esac
"""


def test_ufw_is_told_once(machine: Path) -> None:
    program(machine, "ufw", UFW)
    first = script(machine, "firewall/files/open-ports", "10.0.0.2 10.0.0.3", *PORTS)
    assert first.stdout.splitlines() == [
        f"ufw allow from {peer} to any port {port} proto {protocol}"
        for peer in ("10.0.0.2", "10.0.0.3")
        for port, protocol in (("49152:49215", "tcp"), ("4789", "udp"))
    ]
    assert script(machine, "firewall/files/open-ports", "10.0.0.2 10.0.0.3", *PORTS).stdout == ""


def test_a_check_only_says_what_ufw_would_be_told(machine: Path) -> None:
    program(machine, "ufw", UFW)
    done = script(machine, "firewall/files/open-ports", "10.0.0.2", *PORTS, CHECK="yes")
    assert len(done.stdout.splitlines()) == 2 and not (machine / "rules").exists()


FIREWALLD = """
case $* in
--state) exit 0;;
*--get-zones) cat "$HOME/zones" 2>/dev/null; exit 0;;
*--new-zone=*) echo domsock >>"$HOME/zones";;
*--query-*) grep -qxe "${3#--query-}" "$HOME/zone" 2>/dev/null;;
*--add-*) echo "${3#--add-}" >>"$HOME/zone";;
esac
"""


def test_firewalld_gets_a_zone_of_our_own_once(machine: Path) -> None:
    program(machine, "firewall-cmd", FIREWALLD)
    done = script(machine, "firewall/files/open-ports", "10.0.0.2", *PORTS)
    assert done.returncode == 0, done.stderr
    zone = (machine / "zone").read_text().splitlines()
    assert zone == ["service=ssh", "source=10.0.0.2", "port=49152-49215/tcp", "port=4789/udp"]
    assert calls(machine)[-1] == "firewall-cmd --reload"
    again = script(machine, "firewall/files/open-ports", "10.0.0.2", *PORTS)
    assert again.stdout == "" and calls(machine)[-1] != "firewall-cmd --reload"


def test_only_what_a_machine_lacks_is_installed(machine: Path) -> None:
    program(machine, "one", "")
    done = script(machine, "packages/files/missing-packages", "one=a", "no-such-program=b")
    assert done.stdout == "b\n"


def test_a_check_makes_no_key(machine: Path) -> None:
    done = script(machine, "keys/files/have-key", CHECK="yes")
    assert (done.stdout, done.stderr) == ("", "made\n") and not (machine / ".ssh").exists()
    made = script(machine, "keys/files/have-key")
    assert made.stdout.startswith("ssh-ed25519 ") and made.stderr == "made\n"
    again = script(machine, "keys/files/have-key", CHECK="yes")
    assert again.stdout == made.stdout and again.stderr == ""


LINKS = r"""
2: guests0: <UP> mtu 1450 state UP\    link/ether 02:00\    alias domsock:lab-1
3: tap0@if3: <UP> mtu 1450 state UP\    link/ether 02:00
4: other0: <UP> mtu 1450 state UP\    link/ether 02:00\    alias domsock:lab-12
5: theirs: <UP> mtu 1450 state UP\    link/ether 02:00\    alias x domsock:lab-1
"""


def test_a_testbed_leaves_with_its_own_interfaces_only(machine: Path) -> None:
    (machine / "links").write_text(LINKS.lstrip())
    program(machine, "ip", 'case $1 in -oneline) cat "$HOME/links";; esac')
    done = script(machine, "network/files/guest-network", "leave", "lab-1")
    assert done.stdout == "removed guests0\n"
    gone = [call for call in calls(machine) if " delete " in call and " new-" not in call]
    assert gone == ["ip link delete guests0"]


def test_a_bridge_of_anothers_is_not_used(machine: Path) -> None:
    program(machine, "ip", 'case $* in "link show dev guests0"*) echo "    alias other";; esac')
    more = ("guests0", "guests-vx", "1", "1450", "10.0.0.1")
    done = script(machine, "network/files/guest-network", "join", "lab-1", *more)
    assert done.returncode == 1 and "guests0 is another's: other" in done.stderr
    assert not [call for call in calls(machine) if " add " in call or " set " in call]


def test_the_playbook_is_sound(machine: Path) -> None:
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "--syntax-check"]
    argv += ["-i", "localhost,", str(REPOSITORY / "playbooks" / "host.yml")]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(machine), "LC_ALL": "C.UTF-8"}
    assert "host.yml" in run.run(argv, env=env).stdout


def rendered(name: str, **facts: bool) -> str:
    """A role's template, as Ansible would make it."""
    template = (ROLES / name).read_text()
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["to_uuid"] = lambda text: f"uuid of {text}"
    words = {
        "testbed": "lab-1",
        "inventory_hostname": "h1",
        "management_address": "10.0.0.1",
        "libvirt_log": "/var/log/l",
        "qemu_owner": "libvirt-qemu:kvm",
        "agent_home": "/a",
        "agent_run": "/r",
        "agent_log": "/l",
        "agent_arguments": "--name h1",
    }
    return environment.from_string(template).render(**words, **facts)


@pytest.mark.parametrize(
    ("isolated", "contained", "plain_tcp", "no_polkit", "uuid"),
    [
        (True, True, True, True, "host_uuid ="),  # the lab
        (False, True, False, True, "host_uuid_source"),  # a machine without systemd
        (False, False, False, False, "host_uuid_source"),  # a machine with it
    ],
)
def test_only_what_is_isolated_listens_without_a_password(
    isolated: bool, contained: bool, plain_tcp: bool, no_polkit: bool, uuid: str
) -> None:
    text = rendered("libvirt/templates/libvirtd.conf.j2", isolated=isolated, contained=contained)
    assert ("listen_tcp = 1" in text and "auth_tcp" in text) == plain_tcp
    assert ("auth_unix_rw" in text) == no_polkit
    assert uuid in text


def test_confinement_is_left_alone_where_systemd_is() -> None:
    free = rendered("libvirt/templates/qemu.conf.j2", contained=True)
    confined = rendered("libvirt/templates/qemu.conf.j2", contained=False)
    assert "security_driver" in free and "security_driver" not in confined
    assert 'migration_host = "10.0.0.1"' in confined


def test_the_agents_unit_starts_it() -> None:
    unit = rendered("agent/templates/domsockd.service.j2")
    assert "ExecStart=/a/domsockd --name h1 --run-dir /r --log /l\n" in unit


def test_qemu_is_made_the_owner_of_a_region(machine: Path) -> None:
    hook = machine / "admit"
    hook.write_text(rendered("confinement/templates/admit-region.j2"))
    program(machine, "chown", "")
    program(machine, "chcon", "")
    env = {"PATH": f"{machine}/bin:/usr/bin:/bin"}
    run.run(["sh", str(hook), "/dev/shm/x"], env=env)
    assert calls(machine) == ["chown libvirt-qemu:kvm /dev/shm/x"]
    program(machine, "selinuxenabled", "")
    run.run(["sh", str(hook), "/dev/shm/x"], env=env)
    assert calls(machine)[-1] == "chcon -t svirt_image_t -l s0 /dev/shm/x"


def test_apparmor_takes_the_rule(machine: Path) -> None:
    """Compiled, not loaded; where AppArmor's compiler is there."""
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("apparmor_parser is not installed")
    rule = (ROLES / "confinement/files/apparmor-regions").read_text()
    profile = machine / "profile"
    profile.write_text(f"profile guest {{\n{rule}\n}}\n")
    run.run([parser, "--skip-kernel-load", "--skip-cache", str(profile)])


SYSTEMCTL = 'case "$*" in is-*) exit ${STATE:-1};; esac'


@pytest.mark.parametrize(
    ("check", "state", "said", "done"),
    [
        ("", "1", "enabled\nstarted\n", True),
        ("yes", "1", "enabled\nstarted\n", False),
        ("", "0", "", False),
    ],
)
def test_where_systemd_is_libvirtd_is_its_unit(
    machine: Path, check: str, state: str, said: str, done: bool
) -> None:
    text = (ROLES / "libvirt/files/start-libvirtd").read_text()
    shut = text.replace("/run/systemd/system", str(machine)).replace(
        "/run/libvirtd", f"{machine}/l"
    )
    (machine / "script").write_text(shut)
    program(machine, "systemctl", SYSTEMCTL)
    env = {"PATH": f"{machine}/bin:/usr/bin:/bin", "CHECK": check, "STATE": state}
    assert run.run(["sh", str(machine / "script"), "/log"], env=env).stdout == said
    changing = [call for call in calls(machine) if "is-" not in call]
    assert changing == (
        ["systemctl enable --quiet libvirtd.service", "systemctl start libvirtd.service"]
        if done
        else []
    )
