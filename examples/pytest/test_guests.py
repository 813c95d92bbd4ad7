"""Guests that talk to each other, and one that moves while they do. Copy, and go on from here.

pip install domsock        # or: pip install -e PATH of its sources
pytest test_guests.py
"""

from __future__ import annotations

from collections.abc import Callable

from harness.pytest_plugin import Guest, Host, Testbed, Traffic, intact

CLIENT = "echo hello | nc -N -U /run/domsock/g2/greeting"
SERVER = "umask 0; nc -lU /run/domsock/self/greeting > /run/greeting 2>/dev/null"


def test_every_guest_is_up(testbed: Testbed) -> None:
    for guest in testbed.guests:
        assert guest.succeed("uname -s") == "Linux\n"
        guest.fail("test -e /nowhere")


def test_both_hosts_have_the_guests_network(host: Callable[[str], Host]) -> None:
    for name in ("h1", "h2"):
        assert "guests0" in host(name).succeed("ip -brief link show guests0")
    assert [guest.name for guest in host("h1").guests] == ["g1", "g2"]


def test_a_socket_in_one_guest_is_reached_from_the_other(guest: Callable[[str], Guest]) -> None:
    guest("g2").start(["sh", "-c", SERVER])
    guest("g1").wait_until_succeeds(CLIENT)
    guest("g2").wait_until_succeeds("grep -q hello /run/greeting")


def test_stream_survives_a_move(testbed: Testbed) -> None:
    g1, g2 = testbed.guest("g1"), testbed.guest("g2")
    with testbed.traffic(g1, g2) as traffic, traffic.holds(intact, stall_below="10 s"):
        assert traffic.path == "shm"
        g1.migrate(to="h2")
        assert traffic.path == "tcp"
        g1.migrate(to="h1")
        assert traffic.path == "shm"


def test_traffic_that_lasts_as_long_as_the_test(
    testbed: Testbed, traffic: Callable[..., Traffic]
) -> None:
    running = traffic(testbed.guest("g1"), testbed.guest("g2"), streams=1)
    with running.holds(intact):
        testbed.guest("g2").migrate(to="h2")  # the plugin brings it back
    assert running.path == "tcp"
