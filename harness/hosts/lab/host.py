"""PID 1 of one host of the lab: ``python -m harness.hosts.lab.host NAME STATE_DIR SPEC``.

It makes the namespaces it was started in look like a fresh machine (own /proc, /sys, /dev/pts,
/dev/shm, /run, /var, /tmp, /root, /etc), gives it room for disks, starts sshd and reaps.
Everything else a host needs is made over SSH, by the same roles that make a real host. It ends
with its sshd.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from harness import run
from harness.hosts.lab import diskroom, hostfiles
from harness.hosts.lab.reaper import reap_until
from harness.hosts.lab.spec import LabSpec

OWN = Path("/run/lab")
ETC = Path("/etc")


def main(argv: list[str]) -> None:
    """Become the host."""
    host, state_dir, spec = argv[0], Path(argv[1]), LabSpec.from_json(argv[2])
    own = hostfiles.read_keys(state_dir, host) | hostfiles.texts(spec, host)
    with diskroom.opened(state_dir, host) as rooms:  # while the machine's folders can be seen
        _mount(spec)
        diskroom.mount(rooms)
    _own_etc()
    _write(own)
    socket.sethostname(host)
    reap_until(_start_sshd().pid)


def _mount(spec: LabSpec) -> None:
    for target, options in hostfiles.tmpfs_mounts(spec.shm_bytes):
        run.run(["mount", "-t", "tmpfs", "-o", options, f"lab{target}", target])
    devpts = "newinstance,ptmxmode=0666,mode=620"
    run.run(["mount", "-t", "devpts", "-o", devpts, "devpts", "/dev/pts"])
    run.run(["mount", "--bind", "/dev/pts/ptmx", "/dev/ptmx"])
    for folder, mode in hostfiles.FOLDERS:
        Path(folder).mkdir(parents=True)
        Path(folder).chmod(mode)  # mkdir's own mode would lose what the umask takes
    Path("/var/run").symlink_to("/run")
    Path("/var/lock").symlink_to("/run/lock")


def _own_etc() -> None:
    """An /etc of links to the machine's: what the machine lacks can be made, and stays here."""
    machine = OWN / "machine-etc"
    machine.mkdir(parents=True)
    run.run(["mount", "--rbind", str(ETC), str(machine)])
    run.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab/etc", str(ETC)])
    for entry in machine.iterdir():
        link = entry.readlink() if entry.is_symlink() else entry  # a relative one leads from /etc
        (ETC / entry.name).symlink_to(link)
    (ETC / "libvirt").unlink(missing_ok=True)
    (ETC / "libvirt").mkdir(mode=0o755)


def _write(own: dict[str, str]) -> None:
    for name, text in own.items():
        path = Path("/") / name if name.startswith("etc/") else OWN / name
        path.unlink(missing_ok=True)  # never through a link, into the machine's
        path.touch(mode=0o600 if name in hostfiles.SECRET else 0o644)
        path.write_text(text)
    authorized = Path("/root/.ssh/authorized_keys")
    authorized.parent.mkdir(mode=0o700)
    authorized.write_text(own[hostfiles.LOGIN_KEY])


def _start_sshd() -> run.Process:
    return run.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", str(OWN / hostfiles.SSHD_CONFIG)])


if __name__ == "__main__":
    main(sys.argv[1:])
