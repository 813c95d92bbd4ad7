"""libvirt's numbers for what happens to a domain, in words."""

from __future__ import annotations

import libvirt

EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}

# Why: by the event's own word, and libvirt's number.
REASONS = {
    ("started", libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED): "booted",
    ("started", libvirt.VIR_DOMAIN_EVENT_STARTED_MIGRATED): "migrated",
    ("started", libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED): "restored",
    ("started", libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT): "from a snapshot",
    ("suspended", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED): "by hand",
    ("suspended", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED): "migrates",
    ("suspended", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR): "disk error",
    ("resumed", libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED): "by hand",
    ("resumed", libvirt.VIR_DOMAIN_EVENT_RESUMED_MIGRATED): "migrated",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN): "shut down",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED): "destroyed",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED): "crashed",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED): "migrated",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED): "saved",
    ("stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED): "failed",
}

# Why a domain that runs does so; what is left out does not tell where its memory comes from.
ARRIVALS = {
    libvirt.VIR_DOMAIN_RUNNING_BOOTED: "booted",
    libvirt.VIR_DOMAIN_RUNNING_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_RUNNING_POSTCOPY: "migrated",
    libvirt.VIR_DOMAIN_RUNNING_RESTORED: "restored",
    libvirt.VIR_DOMAIN_RUNNING_FROM_SNAPSHOT: "restored",
}


def event_words(event: int, reason: int) -> tuple[str, str]:
    """What happened, and why; an empty reason is one that says nothing more."""
    word = EVENTS.get(event, str(event))
    return word, REASONS.get((word, reason), "")
