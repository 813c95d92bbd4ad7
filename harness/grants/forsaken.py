"""Who runs no more leaves a region behind in its peer, which would keep that one where it is: QEMU
migrates no guest with a region in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.grants.grant import remove_link
from harness.grants.member import Member
from harness.grants.region import destroy_files
from harness.hosts.base import Host
from harness.model import naming

UNPLUG_SECONDS = 30.0


def forsake_those_gone(survivor: Member, hosts: Iterable[Host]) -> None:
    """Those of whom it has a region yet, once its grants at work have none: they run no more."""
    for alias, region in list(survivor.regions().items()):
        peer, parsed = naming.parse_region_alias(alias), naming.parse_region_name(region)
        if peer and parsed:
            forsake(survivor, peer, parsed[0], hosts)


def forsake(survivor: Member, peer: str, testbed: str, hosts: Iterable[Host]) -> None:
    """The peer runs no more: the link with it ends, its region is taken out, and the pair's files
    are removed from these hosts.
    """
    remove_link(survivor, peer, testbed)
    survivor.detach_region(naming.region_alias(peer), within=UNPLUG_SECONDS)
    destroy_files(hosts, testbed, (survivor.name, peer))
