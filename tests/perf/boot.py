"""Micro guests booted by bare QEMU, started together: the baseline for the testbed's own boot.

``python -m tests.perf.boot [COUNT [ROUNDS]]`` prints seconds to "ready" for each guest.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator, Sequence

from harness import clock, config, run
from harness.errors import TestbedError
from harness.events import EventLog
from harness.images.image import Image, command_line, identity
from harness.images.micro import build_micro
from harness.virt import emulator
from harness.virt.accelerator import Name, machine_arguments

MEMORY_MIB = 128
READY_WITHIN = 120.0
READY = r"^testbed: ready {name} [0-9.]+"
CHANNELS = ("domsock.ctl", "domsock.data", "org.qemu.guest_agent.0")


class BareGuest:
    """One guest under a QEMU of our own: no libvirt, no network beyond this process."""

    def __init__(
        self, image: Image, name: str, arguments: Sequence[str] = (), *, append: str = ""
    ) -> None:
        self.name = name
        who = identity(name=name, domain_id=3, address="10.99.0.3/16")
        line = command_line(image, who, append)
        boot = ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", line]
        self._seen = ""
        self._began = clock.now()
        self._process = run.spawn(
            [emulator.DEFAULT, *bare_arguments(), *boot, *arguments],
            stdin=run.PIPE,
            stdout=run.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def console(self) -> str:
        """What the guest has printed so far, with plain line ends."""
        return self._seen.replace("\r", "")

    @property
    def ended(self) -> bool:
        """Whether QEMU is no more."""
        return self._process.poll() is not None

    def expect(self, pattern: str, *, within: float = READY_WITHIN) -> re.Match[str]:
        """Wait for a line on the console. Gives up at once when QEMU has ended."""

        def found() -> re.Match[str] | None:
            dead = self.ended and not self._reader.is_alive()
            match = re.search(pattern, self.console, re.MULTILINE)
            if dead and not match:
                raise TestbedError(f"{self.name} ended without {pattern!r}", why=self.console)
            return match

        return clock.wait_until(
            found, within=within, what=f"{pattern!r} from {self.name}", every=0.005
        )

    def ready(self) -> float:
        """Seconds from the start of QEMU to the guest's ready line."""
        self.expect(READY.format(name=self.name))
        return clock.now() - self._began

    def type(self, text: str) -> None:
        """Type on the console."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """End QEMU."""
        run.terminate(self._process)
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we were reading
            while data := self._process.stdout.read1(4096):
                self._seen += data.decode(errors="replace")


def bare_arguments(accelerator: Name = "tcg") -> list[str]:
    """The machine our guests have, without the devices that libvirt adds."""
    bare = ["-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none"]
    devices = ["-device", "virtio-serial-pci"]
    network = ["-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0"]
    console = ["-serial", "stdio", "-no-reboot"]
    return [*machine_arguments(accelerator), *bare, *console, *devices, *network]


def unconnected_channels() -> list[str]:
    """The ports that a guest of the testbed has, with nobody at the host's end."""
    made = []
    for number, name in enumerate(CHANNELS):
        made += ["-chardev", f"null,id=port{number}"]
        made += ["-device", f"virtserialport,chardev=port{number},name={name}"]
    return made


@contextlib.contextmanager
def guests(image: Image, count: int) -> Iterator[list[BareGuest]]:
    """That many guests, started together, ended in any case."""
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(count):
            guest = BareGuest(image, f"g{number + 1}", unconnected_channels())
            stack.callback(guest.close)
            started.append(guest)
        yield started


def boot_together(image: Image, count: int) -> list[float]:
    """Seconds from start to ready for each of `count` guests."""
    seconds: list[float] = [0.0] * count

    def watch(place: int, guest: BareGuest) -> None:
        seconds[place] = guest.ready()

    with guests(image, count) as started:
        watchers = [
            threading.Thread(target=watch, args=(place, guest))
            for place, guest in enumerate(started)
        ]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()
    return seconds


def main(count: int = 2, rounds: int = 3) -> None:
    """Print a line for each round."""
    image = build_micro(config.cache_dir(), config.REPOSITORY, EventLog())
    print(f"{count} guests under TCG, kernel {image.kernel_release}, seconds to ready:")
    for _ in range(rounds):
        print("  ".join(f"{seconds:.2f}" for seconds in boot_together(image, count)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
