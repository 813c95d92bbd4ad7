"""Which accelerator a testbed uses: the best that every one of its hosts has."""

from __future__ import annotations

from collections.abc import Mapping

from harness import config
from harness.events import EventLog
from harness.guests import definition
from harness.guests.place import Place
from harness.images.image import Image, probe_command_line
from harness.virt import accelerator
from harness.virt.accelerator import Accelerator, Name, Probe
from harness.virt.emulator import Emulator


def choose_accelerator(
    places: Mapping[str, Place],
    emulators: Mapping[str, Emulator],
    image: Image,
    events: EventLog,
) -> Name:
    """KVM only if a probe guest boots under it on every host; guests move between all of them."""
    kernel, initrd = definition.image_paths(image)
    line = probe_command_line(image)
    with events.span("accelerator") as done:
        answers = {
            name: accelerator.choose(
                place.host.run,
                Probe(kernel, initrd, line, emulators[name].path),
                config.cache_dir(),
            )
            for name, place in places.items()
        }
        slowest = _slowest(answers)
        done.update(name=slowest, why={name: answer.why for name, answer in answers.items()})
    return slowest


def _slowest(answers: Mapping[str, Accelerator]) -> Name:
    return "kvm" if all(answer.name == "kvm" for answer in answers.values()) else "tcg"
