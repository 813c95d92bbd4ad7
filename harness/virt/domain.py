"""One domain on one host: life, devices, channels, counters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import libvirt
import libvirt_qemu

from harness import clock
from harness.errors import DeadlineExceeded, TestbedError
from harness.virt import lifecycle, xml
from harness.virt.channel import StreamTransport
from harness.virt.connection import Connection, translated

DETACH_ATTEMPT_SECONDS = 5.0
NOTE_NAMESPACE = "urn:domsock:stay"


class Domain:
    """A domain of libvirt's, with our words for what can be done to it."""

    def __init__(self, connection: Connection, raw: Any) -> None:
        self.connection, self.raw = connection, raw
        self.name: str = raw.name()
        self.uuid: str = raw.UUIDString()

    @classmethod
    def start_paused(cls, connection: Connection, domain_xml: str) -> Domain:
        """Create a transient domain, paused, so that its console can be attached first."""
        with translated("the guest cannot be started", connection.where):
            raw = connection.raw.createXML(domain_xml, libvirt.VIR_DOMAIN_START_PAUSED)
        return cls(connection, raw)

    @classmethod
    def find(cls, connection: Connection, uuid: str) -> Domain | None:
        """The active domain of that UUID on that host, or None."""
        return cls._look(connection, connection.raw.lookupByUUIDString, uuid)

    @classmethod
    def named(cls, connection: Connection, name: str) -> Domain | None:
        """The active domain of that name on that host, or None. It may be somebody else's."""
        return cls._look(connection, connection.raw.lookupByName, name)

    @classmethod
    def _look(cls, connection: Connection, lookup: Callable[[str], Any], key: str) -> Domain | None:
        try:
            raw = lookup(key)
            return cls(connection, raw) if raw.isActive() else None
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise TestbedError(
                f"cannot look for {key}", where=connection.where, why=str(error)
            ) from error

    @property
    def where(self) -> str:
        """Host and guest, for messages."""
        return f"{self.name} on {self.connection.where}"

    @property
    def number(self) -> int:
        """libvirt's number of it on this host: another one for each time that it comes here, as
        long as libvirtd is not started anew.
        """
        with self._doing("has no number"):
            return int(self.raw.ID())

    def resume(self) -> None:
        """Let the virtual CPUs run."""
        with self._doing("cannot be resumed"):
            self.raw.resume()

    def running(self) -> bool:
        """Whether its virtual CPUs run now."""
        with self._doing("has no state"):
            return bool(self.raw.state()[0] == libvirt.VIR_DOMAIN_RUNNING)

    def arrival(self) -> str:
        """Why it runs: booted, migrated or restored; empty when that is not known any more."""
        with self._doing("has no state"):
            state, reason = self.raw.state()
        runs = state == libvirt.VIR_DOMAIN_RUNNING
        return lifecycle.ARRIVALS.get(reason, "") if runs else ""

    def at_work(self) -> bool:
        """Whether libvirt is doing something with it that takes its time, such as migrating it;
        also where it arrives, of which libvirt says no more than that it cannot say.
        """
        try:
            return bool(self.raw.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_OPERATION_UNSUPPORTED:
                return True
            raise TestbedError(
                f"{self.name} does not tell its job", where=self.where, why=str(error)
            ) from error

    def note(self) -> str:
        """What `write_note` left with the domain; empty when nobody did."""
        try:
            kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
            return xml.content(self.raw.metadata(kind, NOTE_NAMESPACE))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return ""
            raise TestbedError("has no metadata", where=self.where, why=str(error)) from error

    def write_note(self, text: str) -> None:
        """Leave a word with the domain itself: it goes along wherever the domain goes, also into
        a file that it is saved to.
        """
        note = xml.text(xml.element("stay", text))
        with self._doing("takes no note"):
            self.raw.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                note,
                "domsock",
                NOTE_NAMESPACE,
                libvirt.VIR_DOMAIN_AFFECT_LIVE,
            )

    def memory(self) -> int:
        """Bytes of memory it may have."""
        with self._doing("does not tell its memory"):
            return int(self.raw.maxMemory()) * 1024

    def destroy(self) -> None:
        """End it at once; one that has ended is fine."""
        try:
            self.raw.destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                libvirt.VIR_ERR_NO_DOMAIN,
                libvirt.VIR_ERR_OPERATION_INVALID,
            ):
                raise TestbedError(
                    "cannot be destroyed", where=self.where, why=str(error)
                ) from None

    def describe(self) -> str:
        """Its live XML."""
        with self._doing("has no description"):
            return str(self.raw.XMLDesc())

    def disks(self) -> list[xml.LiveDisk]:
        """The disks it has."""
        return xml.disks(self.describe())

    def disk_size(self, target: str) -> int:
        """Bytes that the disk of that target shows the guest."""
        with self._doing(f"does not tell the size of {target}"):
            return int(self.raw.blockInfo(target)[0])

    def disk_use(self, target: str) -> int:
        """Bytes that the disk of that target takes on its host."""
        with self._doing(f"does not tell the use of {target}"):
            return int(self.raw.blockInfo(target)[1])

    def run_by(self, emulator: str) -> str:
        """Its description for another host, whose QEMU is at `emulator`."""
        flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
        with self._doing("has no description"):
            return xml.with_emulator(str(self.raw.XMLDesc(flags)), emulator)

    def attach(self, device_xml: str) -> None:
        """Hot-plug a device."""
        with self._doing("refuses the device"):
            self.raw.attachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, alias: str, *, within: float) -> None:
        """Unplug the device of that alias, and wait for libvirt's event that it is gone.

        The call may say yes after 5 s with nothing done, and during early boot the guest
        loses the request: so it is repeated until the event comes.
        """
        since, deadline = self.connection.mark(), clock.Deadline(within)
        while alias in xml.attached_regions(self.describe()):
            if deadline.expired:
                raise DeadlineExceeded(f"{alias} is not unplugged", where=self.where)
            try:
                self.raw.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                if not _may_retry(error):
                    raise TestbedError(
                        f"{alias} cannot be unplugged", where=self.where, why=str(error)
                    ) from error
            try:
                self.connection.await_event(
                    since,
                    self.name,
                    "device-removed",
                    detail=alias,
                    within=min(DETACH_ATTEMPT_SECONDS, deadline.left()),
                )
                return
            except DeadlineExceeded:
                continue

    def open_channel(self, name: str) -> StreamTransport:
        """The host's end of a virtio-serial port."""
        with self._doing(f"has no channel {name} to open"):
            stream = self.connection.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
            self.raw.openChannel(name, stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE)
        return StreamTransport(stream, self.where)

    def open_console(self) -> StreamTransport:
        """The serial console."""
        with self._doing("has no console to open"):
            stream = self.connection.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
            self.raw.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        return StreamTransport(stream, self.where)

    def guest_command(self, command: str, *, within: float, **arguments: Any) -> Any:
        """One command of the QEMU guest agent (docs: qemu/qga/qapi-schema.json)."""
        request = json.dumps({"execute": command, "arguments": arguments})
        with self._doing(f"qemu-guest-agent does not do {command}"):
            answer = libvirt_qemu.qemuAgentCommand(self.raw, request, max(1, int(within)), 0)
        try:
            return json.loads(answer)["return"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise TestbedError(
                f"qemu-guest-agent's answer to {command} makes no sense", where=self.where
            ) from None

    def monitor(self, command: str) -> dict[str, Any]:
        """One question to QEMU's own monitor (docs: qemu/qapi); nothing where it refuses."""
        with self._doing(f"cannot ask its QEMU for {command}"):
            answer = libvirt_qemu.qemuMonitorCommand(self.raw, json.dumps({"execute": command}), 0)
        return dict(json.loads(answer).get("return", {}))

    def network_bytes(self) -> int:
        """Bytes in and out over all its network cards, counted by the host at the taps."""
        total = 0
        for tap in xml.tap_names(self.describe()):
            with self._doing(f"has no counters for {tap}"):
                stats = self.raw.interfaceStats(tap)
            total += stats[0] + stats[4]
        return total

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        with translated(f"{self.name} {what}", self.connection.where):
            yield


def _may_retry(error: libvirt.libvirtError) -> bool:
    """Whether an unplug may be asked for again: it is under way, or the guest was not ready."""
    return error.get_error_code() in (
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
        libvirt.VIR_ERR_DEVICE_MISSING,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    )
