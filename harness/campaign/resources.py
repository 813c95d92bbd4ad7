"""What must stay flat: memory, descriptors, region files and interfaces, sampled while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness import clock
from harness.hosts.base import Host
from harness.model import flatness
from harness.model.campaign_result import Resource
from harness.traffic.harvest import Harvest

SPACING_SECONDS = 8.0
KIB = 1024

# Growth over a whole run that is no leak: allocators and caches settle for a while.
ALLOWED_BYTES, ALLOWED_SHARE, ALLOWED_COUNT = 4 << 20, 0.05, 2.0

SCRIPT = """\
for p in /proc/[0-9]*; do
  { read -r c <$p/comm; } 2>/dev/null || continue
  case $c in domsockd|libvirtd|qemu-system-*) ;; *) continue ;; esac
  set -- $p/fd/*
  while read -r k v rest; do
    if [ "$k" = VmRSS: ]; then echo "$c $v $#"; fi
  done <$p/status
done 2>/dev/null
set -- /dev/shm/*; [ -e "$1" ] || shift; echo "shm 0 $#"
set -- /sys/class/net/*; echo "net 0 $#"
"""
NAMES = {"domsockd": "hosts' agents", "libvirtd": "libvirtd", "qemu": "QEMU"}


@dataclass
class _Series:
    unit: str
    at_ms: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Resources:
    """Series of everything that is watched. `begun` is the leg's start, in monotonic seconds."""

    def __init__(self, hosts: Iterable[Host], begun: float) -> None:
        self._hosts, self._begun = list(hosts), begun
        self._series: dict[str, _Series] = {}
        self._due = begun

    def sample(self, looks: Mapping[str, Harvest]) -> None:
        """Take a sample, unless the last one was just taken; `looks` are the guests'."""
        if clock.now() < self._due:
            return
        self._due = clock.now() + SPACING_SECONDS
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            texts = list(pool.map(_ask, self._hosts))
        at_ms = (clock.now() - self._begun) * 1000
        for name, (unit, value) in {**sums(texts), **_guests(looks)}.items():
            series = self._series.setdefault(name, _Series(unit))
            series.at_ms.append(round(at_ms, 1))
            series.values.append(value)

    def judged(self) -> tuple[Resource, ...]:
        """Every series with its verdict."""
        return tuple(judge(name, s.unit, s.at_ms, s.values) for name, s in self._series.items())


def judge(name: str, unit: str, at_ms: list[float], values: list[float]) -> Resource:
    """A series, and whether it stayed flat."""
    allowed = ALLOWED_COUNT
    if unit == "bytes":
        allowed = max(ALLOWED_BYTES, ALLOWED_SHARE * max(values))
    flat, why = flatness.judge(at_ms, values, allowed)
    return Resource(
        name=name, unit=unit, at_ms=tuple(at_ms), values=tuple(values), flat=flat, why=why
    )


def sums(texts: Iterable[str]) -> dict[str, tuple[str, float]]:
    """Name → unit and value, summed over all hosts' answers to the script."""
    found: dict[str, tuple[str, float]] = {}

    def add(name: str, unit: str, value: float) -> None:
        found[name] = (unit, found.get(name, (unit, 0.0))[1] + value)

    for line in "".join(texts).splitlines():
        what, kib, count = line.split()
        match what:
            case "shm":
                add("files in /dev/shm", "files", float(count))
            case "net":
                add("interfaces of the hosts", "interfaces", float(count))
            case _:
                name = NAMES[what.partition("-")[0]]
                add(f"memory of {name}", "bytes", float(kib) * KIB)
                add(f"descriptors of {name}", "descriptors", float(count))
    return found


def _ask(host: Host) -> str:
    return host.run(["sh", "-c", SCRIPT]).stdout


def _guests(looks: Mapping[str, Harvest]) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {}
    for guest, look in looks.items():
        if look.agent is not None:
            found[f"memory of {guest}'s agent"] = ("bytes", float(look.agent.agent_kib * KIB))
            found[f"descriptors of {guest}'s agent"] = ("descriptors", float(look.agent.agent_fds))
    return found
