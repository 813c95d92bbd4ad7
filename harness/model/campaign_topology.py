"""The testbed that a campaign runs on: pure."""

from __future__ import annotations

from harness.model.campaign import Campaign
from harness.model.sizes import MIB
from harness.model.topology import DiskSpec, Topology, lab_topology


def topology_of(campaign: Campaign) -> Topology:
    """The lab, each guest with a disk that has room for its pattern, if there is to be one, and
    with no network card, if there is to be none.
    """
    lab = lab_topology()
    changes = {"disks": disks_of(campaign), "networks": None if campaign.network else ()}
    guests = {name: guest.model_copy(update=changes) for name, guest in lab.guests.items()}
    return lab.model_copy(update={"guests": guests, "sut": campaign.sut})


def disks_of(campaign: Campaign) -> tuple[DiskSpec, ...]:
    """A guest's disks. What is not sparse in it is all pattern, so raw says all there is to say."""
    whole = -(-campaign.memory.disk // MIB) * MIB
    return (DiskSpec(size=whole, format="raw", shared=campaign.memory.shared),) if whole else ()
