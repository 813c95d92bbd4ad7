"""A region that turns into a stale private copy, made by stock QEMU itself: a device with
role='master' migrates with its guest, and its bytes are copied. Runs inside the lab of
test_surprises.py, while nobody watches.
"""

from __future__ import annotations

from typing import Any

from harness import clock
from harness.agent.answers import Links
from harness.grants.region import Region
from harness.guests.guest import Guest
from harness.traffic.traffic import Traffic
from harness.virt import xml
from tests.lab.watched import SOON, Stage

ALIAS, SIZE, GENERATION = "ua-by-hand", 8 << 20, 999
ROLES = {"g1": "master", "g2": "peer"}


def stale_copy(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """virsh attach-device, role='master'; virsh migrate g1: it takes a copy along, and nobody has
    told the agents.
    """
    stage.command("release", "g1")
    region = share_by_hand(stage)
    stage.carries_on(traffic)
    seconds = migrate_with_it(stage)
    stage.carries_on(traffic)
    put_away(stage, region)
    stage.migrate("g1", "h1")
    return {"seconds": round(seconds, 2)}


def share_by_hand(stage: Stage) -> Region:
    """The link of g1 and g2 is on a region that the testbed knows nothing of."""
    g1, g2 = stage.guest("g1"), stage.guest("g2")
    ids = (g1.domain_id, g2.domain_id)
    owner = stage.testbed.record.testbed_id
    region = Region.fresh(owner, (g1.name, g2.name), ids, SIZE, GENERATION)
    region.create(g1.place.host)
    for guest, peer in ((g1, g2), (g2, g1)):
        device = xml.shmem(region.name, SIZE, ALIAS)
        device.set("role", ROLES[guest.name])
        guest.domain.attach(xml.text(device))
        about = {"peer": peer.name, "nonce": region.nonce, "deadline_ms": 20_000}
        guest.agent.call("region.attach", within=SOON, **about)
    g1.agent.call("handover", within=SOON, peer=g2.name, to="shm", deadline_ms=10_000)
    return region


def migrate_with_it(stage: Stage) -> float:
    """Seconds from g1's arrival until the one who stayed has left the region."""
    g2, way = stage.guest("g2"), stage.start_migrating("g1", "h2")
    clock.wait_until(lambda: arrived(stage), within=60, what="g1 to run on h2", every=0.01)
    begun = clock.now()
    assert way.poll() is None or way.returncode == 0, way.communicate()
    clock.wait_until(lambda: path_of(g2) == "tcp", within=SOON, what="path tcp", every=0.01)
    seconds = clock.now() - begun
    said = way.communicate(timeout=60)
    assert way.returncode == 0, said
    stage.guest("g1"), stage.guest("g2")
    return seconds


def arrived(stage: Stage) -> bool:
    """Whether g1 runs on h2."""
    found = stage.testbed.whereabouts("g1")
    return found is not None and found[1].name == "h2" and found[0].running()


def path_of(guest: Guest) -> str:
    """Of its only link, as its agent says."""
    [link] = guest.agent.ask(Links, "links", within=SOON).links
    return link.path


def put_away(stage: Stage, region: Region) -> None:
    """The devices, the file, and the one that the other host's QEMU has made for the copy."""
    for name in ROLES:
        stage.guest(name).detach_region(ALIAS, within=SOON)
    region.destroy(stage.testbed.places["h1"].host)
    stage.testbed.places["h2"].host.run(["rm", region.path])
