"""A probe guest on one host: does a region that is plugged into it really carry words both ways?

It stands beside whatever the host runs, carries a claim of its own like a testbed, and is taken
away like one.
"""

from __future__ import annotations

import secrets
from functools import partial

from harness import clock
from harness.config import cache_dir
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.region import Region
from harness.guests import definition
from harness.guests.guest import Guest
from harness.guests.parts import Parts
from harness.guests.place import Place
from harness.hosts.checks import Check, attempt
from harness.hosts.ssh import SshHost
from harness.images.image import Image, probe_command_line
from harness.model.topology import GuestSpec, HostSpec, Topology
from harness.testbed.apply import place_image
from harness.testbed.claim import Claim, attending
from harness.testbed.destroy import destroy
from harness.testbed.record import TestbedRecord
from harness.virt import accelerator
from harness.virt.emulator import Emulator

SIZE = 1 << 20
OFFSET = 8192  # beyond the header
ALIAS = "ua-domsock-probe"
PLUG_SECONDS = 30.0
# Prints the device's address in the guest's memory; nothing while it is not there.
FIND = (
    "for d in /sys/bus/pci/devices/*; do read -r vendor <$d/vendor; read -r device <$d/device; "
    "[ $vendor$device = 0x1af40x1110 ] && sed -n 3p $d/resource; done; true"
)
LOGS = "see /var/log/libvirt/qemu on that host; libvirtd's and QEMU's logs are there"
CONFINED = (
    "testbed provision -i INVENTORY lets AppArmor and SELinux pass regions; "
    "dmesg on that host tells what was denied"
)


class RegionProbe:
    """One host's probe."""

    def __init__(self, host: SshHost, image: Image) -> None:
        self.host, self.image = host, image
        self.name = f"probe-{secrets.token_hex(3)}"
        topology = Topology(
            name=self.name,
            hosts={host.name: HostSpec()},
            guests={self.name: GuestSpec(host=host.name, networks=())},  # it may have no bridge
        )
        self.record = TestbedRecord.new(topology, image.digest)
        self.claim = Claim.of(self.record).model_copy(update={"kind": "probe"})

    def checks(self) -> list[Check]:
        """The accelerator, a guest, and its region. Whatever comes of it, nothing stays."""
        with attending([self.host], self.claim.testbed_id):
            self.claim.write(self.host)
            try:
                place_image(self.host, self.image)
                return self._try()
            finally:
                destroy(self.claim, [self.host], EventLog())
                self.host.run(["rm", "-f", f"{definition.CONSOLE_LOGS}/{self.name}.log"])

    def _try(self) -> list[Check]:
        where, chosen = self.host.name, self._accelerator()
        found = [Check(f"{where}: accelerator", True, f"{chosen.name}: {chosen.why}")]
        place = Place.reach(self.host)
        try:
            guest = self._start(place, chosen.name == "kvm")
            found.append(attempt(f"{where}: guest", LOGS, partial(_boot, guest)))
            if found[-1].ok:
                exchange = partial(self._exchange, guest)
                found.append(attempt(f"{where}: region", CONFINED, exchange))
            guest.drop_agent()
        finally:
            place.connection.close()
        return found

    def _accelerator(self) -> accelerator.Accelerator:
        kernel, initrd = definition.image_paths(self.image)
        probe = accelerator.Probe(kernel, initrd, probe_command_line(self.image))
        return accelerator.choose(self.host.run, probe, cache_dir())

    def _start(self, place: Place, kvm: bool) -> Guest:
        defined = definition.define(
            *(self.record.topology, self.name),
            testbed_id=self.record.testbed_id,
            parts=Parts(self.image),
            kvm=kvm,
            emulator=Emulator(),
        )
        domain_id = self.record.topology.guest_id(self.name)
        return Guest.create(defined, domain_id, place, EventLog())

    def _exchange(self, guest: Guest) -> str:
        """The host's word is read in the guest, and the guest's on the host."""
        testbed, pair = self.record.testbed_id, ("host", self.name)
        region = Region.fresh(testbed, pair, (2, 3), SIZE, 1)
        region.create(self.host)
        ours, theirs = secrets.token_hex(4), secrets.token_hex(4)
        self._write(region, ours)
        begun = clock.now()
        guest.attach_region(region.name, SIZE, ALIAS)
        address = clock.wait_until(
            partial(_address_in, guest), within=PLUG_SECONDS, what="the guest to see the region"
        )
        plugged = clock.now() - begun
        seen = guest.exec(["busybox", "devmem", address, "32"]).stdout.strip()
        guest.exec(["busybox", "devmem", address, "32", f"0x{theirs}"])
        back = self._read(region)
        guest.detach_region(ALIAS, within=PLUG_SECONDS)
        if (int(seen, 16), int(back, 16)) != (int(ours, 16), int(theirs, 16)):
            raise TestbedError(
                "host and guest do not see the same memory",
                why=f"{ours} was read as {seen}, {theirs} as {back}",
            )
        return f"plugged in {plugged:.2f} s, read and written from both sides"

    def _write(self, region: Region, word: str) -> None:
        script = 'printf "%b" "$1" | dd of="$0" bs=1 seek="$2" conv=notrunc status=none'
        text = "".join(f"\\0{byte:03o}" for byte in reversed(bytes.fromhex(word)))
        self.host.run(["sh", "-c", script, region.path, text, str(OFFSET)])

    def _read(self, region: Region) -> str:
        argv = ["od", "-A", "n", "-t", "x4", "-j", str(OFFSET), "-N", "4", region.path]
        return self.host.run(argv).stdout.strip()


def _boot(guest: Guest) -> str:
    begun = clock.now()
    guest.boot()
    return f"boots in {clock.now() - begun:.1f} s"


def _address_in(guest: Guest) -> str:
    """Where the word is in the guest's memory, in hexadecimal; empty while there is no device."""
    line = guest.exec(["sh", "-c", FIND]).stdout.split()
    return hex(int(line[0], 16) + OFFSET) if line and int(line[0], 16) else ""
