"""The lab's SSH keys: one to log in with, one per host, all made anew for every lab."""

from __future__ import annotations

from pathlib import Path

from harness import run
from harness.hosts.lab.spec import LabSpec

LOGIN = "id_ed25519"
KNOWN_HOSTS = "known_hosts"


def make_keys(spec: LabSpec, state_dir: Path) -> None:
    """Write the keys, and the known_hosts file that makes strict checking possible."""
    _make(state_dir / LOGIN, f"{spec.name} login")
    lines = []
    for host in spec.hosts:
        public = _make(state_dir / f"{host}.key", host)
        lines.append(f"{spec.address(host)},{host} {public}")
    (state_dir / KNOWN_HOSTS).write_text("\n".join(lines) + "\n")


def _make(path: Path, comment: str) -> str:
    public = path.with_name(path.name + ".pub")
    path.unlink(missing_ok=True)
    public.unlink(missing_ok=True)
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    kind, key, *_comment = public.read_text().split()
    return f"{kind} {key}"
