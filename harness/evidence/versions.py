"""What a run ran on, for whoever reads its figures later."""

from __future__ import annotations

from harness.agent.answers import Hello
from harness.testbed.testbed import Testbed


def versions(testbed: Testbed) -> dict[str, str]:
    """libvirt, QEMU, kernels and CPU of the first host and guest."""
    place = next(iter(testbed.places.values()))
    guest = next(iter(testbed.guests.values()))
    raw = place.connection.raw
    return {
        "libvirt": _dotted(raw.getLibVersion()),
        "qemu": _dotted(raw.getVersion()),
        "host kernel": place.host.run(["uname", "-r"]).stdout.strip(),
        "guest kernel": guest.exec(["uname", "-r"]).stdout.strip(),
        "cpu": _cpu_model(place.host.run(["cat", "/proc/cpuinfo"]).stdout),
        "agent": guest.agent.ask(Hello, "hello").version,
    }


def _dotted(number: int) -> str:
    """libvirt packs 9.0.1 as 9000001."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _cpu_model(cpuinfo: str) -> str:
    names = (line for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, "model name: unknown").partition(":")[2].strip()
