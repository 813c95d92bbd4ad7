"""What a host of the lab finds in its file system at start. Pure but for `read_keys`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.hosts.lab import spec as lab
from harness.hosts.lab.spec import LabSpec

LOGIN_KEY = "login.pub"
HOST_KEY = "ssh_host_ed25519_key"
SSHD_CONFIG = "sshd_config"
SECRET = frozenset({HOST_KEY, "etc/shadow"})
FOLDERS = (
    ("/run/sshd", 0o755),
    ("/run/lock", 0o1777),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/tmp", 0o1777),
)

# A fresh host has the accounts that its packages made, and root must not be locked: sshd refuses
# a locked one. The agent connects to servers as nobody.
_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
libvirt-qemu:x:64055:104::/var/lib/libvirt:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_SHADOW = """\
root:*:19000::::::
sshd:*:19000::::::
libvirt-qemu:*:19000::::::
nobody:*:19000::::::
"""
_GROUP = """\
root:x:0:
tty:x:5:
kvm:x:104:
libvirt:x:105:
libvirt-qemu:x:64055:
nogroup:x:65534:
"""
_SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey /run/lab/{host_key}
AllowUsers root
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
"""


def read_keys(state_dir: Path, host: str) -> dict[str, str]:
    """The keys that the starter made: the host's own, and the one that may log in."""
    return {
        HOST_KEY: (state_dir / f"{host}.key").read_text(),
        LOGIN_KEY: (state_dir / "id_ed25519.pub").read_text(),
    }


def texts(spec: LabSpec, host: str) -> dict[str, str]:
    """File name to content; those below etc/ stand in for the machine's own."""
    return {
        SSHD_CONFIG: _SSHD_CONFIG.format(
            port=lab.SSH_PORT, address=spec.address(host), host_key=HOST_KEY
        ),
        "etc/passwd": _PASSWD,
        "etc/shadow": _SHADOW,
        "etc/group": _GROUP,
        "etc/hosts": _hosts(spec),
        "etc/hostname": host + "\n",
        "etc/machine-id": machine_id(spec.name, host) + "\n",
    }


def machine_id(lab_name: str, host: str) -> str:
    """32 hexadecimal digits, unlike those of any other host."""
    return hashlib.sha256(f"{lab_name}/{host}".encode()).hexdigest()[:32]


def tmpfs_mounts(shm_bytes: int) -> tuple[tuple[str, str], ...]:
    """Where a host has its own empty tmpfs, and with which options."""
    return (
        ("/run", "mode=755"),
        ("/tmp", "mode=1777"),
        ("/var", "mode=755"),
        ("/root", "mode=700"),
        ("/dev/shm", f"mode=1777,size={shm_bytes}"),
    )


def _hosts(spec: LabSpec) -> str:
    lines = ["127.0.0.1 localhost", f"{lab.HARNESS_ADDRESS} harness"]
    lines += [f"{spec.address(host)} {host}" for host in spec.hosts]
    return "\n".join(lines) + "\n"
