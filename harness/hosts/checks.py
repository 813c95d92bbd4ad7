"""Whether this machine can run a testbed. Each failure comes with the command that mends it.

Checks read below `Machine.root` and run programs through `Machine.trial`, so tests can give them
any machine. They change nothing: the one trial happens in a namespace that ends with it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import run
from harness.errors import TestbedError

MIB = 1 << 20
ARCHITECTURE = "x86_64"
SYSTEMS = {"debian": 12.0, "ubuntu": 22.04}
SUBORDINATE_IDS = 65535
ADMIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = "apt-get install --no-install-recommends"
QEMU_DRIVER = "usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"
# Programs, each with the package that has it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "libvirtd": "libvirt-daemon",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "bridge": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
ORDINARY_PROGRAMS = {"newuidmap": "uidmap", "newgidmap": "uidmap"}
LINKS = (
    "ip link add b0 type bridge && ip link add v0 type veth peer name v1 && "
    "ip link add x0 type vxlan id 1 local 10.0.0.1 dstport 4789 && ip tuntap add t0 mode tap"
)


@dataclass(frozen=True)
class Check:
    """One fact about the machine: what was found, why it matters, and what mends it if not `ok`."""

    name: str
    ok: bool
    found: str
    why: str = ""
    fix: str = ""


def attempt(name: str, fix: str, action: Callable[[], str], why: str = "") -> Check:
    """A check that holds when `action` gives what was found, and fails by the error it raises."""
    try:
        return Check(name, True, action(), why)
    except TestbedError as error:
        reason = f"{error.what}: {error.why}" if error.why else error.what
        return Check(name, False, reason, why, fix or error.fix)


@dataclass(frozen=True)
class Needs:
    """What a testbed is going to take, in bytes."""

    memory: int
    shm: int


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@dataclass(frozen=True)
class Machine:
    """The machine that is looked at; by default this one."""

    root: Path = Path("/")
    architecture: str = field(default_factory=lambda: os.uname().machine)
    uid: int = field(default_factory=os.geteuid)
    user: str = field(default_factory=_user_name)
    path: str = ADMIN_PATH
    trial: Callable[[Sequence[str]], run.Completed] = field(
        default=lambda argv: run.run(argv, within=20.0, check=False)
    )

    def read(self, name: str) -> str | None:
        """A file's text, stripped; None when there is none."""
        try:
            return (self.root / name).read_text().strip()
        except OSError:
            return None

    def has(self, program: str) -> bool:
        """Whether a program is installed."""
        below_root = (str(self.root / folder.lstrip("/")) for folder in self.path.split(":"))
        return shutil.which(program, path=":".join(below_root)) is not None

    @property
    def ordinary(self) -> bool:
        """Whether the testbed is run by somebody else than root."""
        return self.uid != 0

    def as_root(self, command: str) -> str:
        """The command line, with sudo where it is needed."""
        return f"sudo {command}" if self.ordinary else command


def failures(needs: Needs, machine: Machine | None = None) -> list[Check]:
    """What this machine lacks."""
    return [check for check in all_checks(needs, machine) if not check.ok]


def all_checks(needs: Needs, machine: Machine | None = None) -> list[Check]:
    """All checks that concern this user on this machine."""
    machine = machine or Machine()
    found = [system(machine), programs(machine), tun(machine), kvm(machine)]
    if machine.ordinary:
        found += [user_namespaces(machine), apparmor(machine), map_auto(machine)]
        found += [subordinate_ids(machine, kind) for kind in ("subuid", "subgid")]
    found += [memory(machine, needs), shared_memory(machine, needs)]
    if all(check.ok for check in found):
        found.append(links(machine))  # it can only repeat what the others explain better
    return found


def system(machine: Machine) -> Check:
    """x86-64, and a Debian or Ubuntu that is new enough."""
    lines = (machine.read("etc/os-release") or "").splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    name = facts.get("ID", "unknown").strip('"')
    version = facts.get("VERSION_ID", "").strip('"')
    found = f"{name} {version} on {machine.architecture}"
    known = name in SYSTEMS and _number(version) >= SYSTEMS[name]
    return Check(
        "system",
        known and machine.architecture == ARCHITECTURE,
        found,
        "the testbed runs on x86-64 with Debian 12 or Ubuntu 22.04, or newer",
        "use such a machine",
    )


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return float("inf") if not version else 0.0  # Debian's testing has no number


def programs(machine: Machine) -> Check:
    """Every program that a host or the lab runs."""
    wanted = PROGRAMS | (ORDINARY_PROGRAMS if machine.ordinary else {})
    missing = {name: package for name, package in wanted.items() if not machine.has(name)}
    if not (machine.root / QEMU_DRIVER).exists():
        missing["libvirt's QEMU driver"] = "libvirt-daemon-driver-qemu"
    packages = sorted(set(missing.values()))
    return Check(
        "programs",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "all there",
        "hosts and lab run them",
        machine.as_root(f"{INSTALL} {' '.join(packages)}"),
    )


def tun(machine: Machine) -> Check:
    """/dev/net/tun: every guest's network card is a tap made through it."""
    device = machine.root / "dev/net/tun"
    if not device.exists():
        fix = machine.as_root("modprobe tun")
        return Check("tun", False, "no /dev/net/tun", "a guest's network card needs it", fix)
    writable = os.access(device, os.R_OK | os.W_OK)
    return Check(
        "tun",
        writable,
        "/dev/net/tun can be used" if writable else "/dev/net/tun cannot be opened",
        "a guest's network card needs it",
        machine.as_root("chmod 0666 /dev/net/tun"),
    )


def kvm(machine: Machine) -> Check:
    """Whether guests may use /dev/kvm. Never a failure: without it they are emulated."""
    device = machine.root / "dev/kvm"
    why = "guests run many times faster with it; a probe guest decides whether it works"
    if not device.exists():
        return Check("kvm", True, "no /dev/kvm: guests are emulated", why)
    others = stat.S_IROTH | stat.S_IWOTH
    if not machine.ordinary or device.stat().st_mode & others == others:
        return Check("kvm", True, "/dev/kvm can be opened", why)
    found = "/dev/kvm is for its group, which a host of the lab is not in: guests are emulated"
    return Check("kvm", True, found, why, machine.as_root("chmod 0666 /dev/kvm"))


def user_namespaces(machine: Machine) -> Check:
    """The kernel lets an ordinary user make user namespaces."""
    why = "without root, the lab lives in a user namespace"
    for key in ("user.max_user_namespaces", "kernel.unprivileged_userns_clone"):
        value = machine.read("proc/sys/" + key.replace(".", "/"))
        if value == "0":
            better = 15000 if key.startswith("user.") else 1
            fix = machine.as_root(f"sysctl -w {key}={better}")
            return Check("user namespaces", False, f"{key} = 0", why, fix)
    return Check("user namespaces", True, "allowed", why)


def apparmor(machine: Machine) -> Check:
    """AppArmor takes no capabilities away from user namespaces."""
    key = "kernel.apparmor_restrict_unprivileged_userns"
    value = machine.read("proc/sys/" + key.replace(".", "/"))
    return Check(
        "apparmor",
        value in (None, "0"),
        f"{key} = {value}" if value else "no restriction",
        "with it, a user namespace may not even mount or make an interface",
        machine.as_root(f"sysctl -w {key}=0"),
    )


def map_auto(machine: Machine) -> Check:
    """unshare can map a whole range of ids by itself (util-linux 2.38)."""
    try:
        known = "--map-auto" in machine.trial(["unshare", "--help"]).stdout
    except TestbedError:
        known = False
    return Check(
        "unshare",
        known,
        "maps a range of ids" if known else "knows no --map-auto",
        "sshd needs more ids than one; util-linux 2.38 or newer has it",
        "run as root, or on Debian 12 or Ubuntu 24.04 or newer",
    )


def subordinate_ids(machine: Machine, kind: str) -> Check:
    """A range in /etc/subuid or /etc/subgid: sshd drops its privileges to such an id."""
    lines = (machine.read(f"etc/{kind}") or "").splitlines()
    fields = [line.split(":") for line in lines]
    owners = (machine.user, str(machine.uid))
    counts = [int(f[2]) for f in fields if len(f) == 3 and f[0] in owners and f[2].isdigit()]
    most = max(counts, default=0)
    return Check(
        kind,
        most >= SUBORDINATE_IDS,
        f"{most} ids in /etc/{kind} for {machine.user}",
        f"a host needs {SUBORDINATE_IDS} of them",
        machine.as_root(f"usermod --add-{kind}s 100000-165535 {machine.user}"),
    )


def memory(machine: Machine, needs: Needs) -> Check:
    """Memory for guests and regions: the lab's /dev/shm is memory, too."""
    wanted = needs.memory + needs.shm
    for line in (machine.read("proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
            return _room("memory", free, wanted, "run fewer or smaller guests")
    return Check("memory", False, "unknown", "/proc/meminfo does not tell", "mount /proc")


def shared_memory(machine: Machine, needs: Needs) -> Check:
    """The most that a tmpfs made now may take: half of all memory, like the kernel's default."""
    for line in (machine.read("proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            room = int(line.split()[1]) * 1024 // 2
            return _room("shared memory", room, needs.shm, "make fewer or smaller grants")
    return Check("shared memory", False, "unknown", "/proc/meminfo does not tell", "mount /proc")


def _room(name: str, free: int, wanted: int, fix: str) -> Check:
    found = f"{free // MIB} MiB free, {wanted // MIB} MiB needed"
    return Check(name, free >= wanted, found, "QEMU dies when memory runs out", fix)


def links(machine: Machine) -> Check:
    """A trial: namespaces, bridge, veth, VXLAN and tap, in a namespace that ends with it."""
    user = ["--user", "--map-root-user", "--map-auto"] if machine.ordinary else []
    argv = ["unshare", *user, "--mount", "--net", "--pid", "--fork", "--mount-proc"]
    why = "the lab is made of them"
    fix = machine.as_root("modprobe -a bridge veth vxlan tun")
    try:
        done = machine.trial([*argv, "sh", "-c", LINKS])
    except TestbedError as error:
        return Check("links", False, str(error), why, fix)
    said = done.stderr.strip() or f"exit code {done.returncode}"
    return Check(
        "links", done.returncode == 0, "can be made" if not done.returncode else said, why, fix
    )
