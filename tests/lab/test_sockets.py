"""AF_VSOCK between real guests, by programs that know nothing of domsock, through migrations."""

from __future__ import annotations

import json
from typing import Any

from harness import clock
from tests.lab.support import User

PORT = 5000
SERVER_ID = 4  # g2's domain id
HOST_ID = 1000  # h1's, which there is no grant with
NOBODYS_ID = 99
REPORT = "/run/volley.json"


def in_guest(user: User, guest: str, command: str) -> str:
    """What a shell command prints in a guest."""
    return user.ok("exec", guest, "--", "sh", "-c", command)


def start(user: User, guest: str, arguments: str, output: str) -> None:
    """Run volley under the shim in the background."""
    in_guest(user, guest, f"setsid domsock run volley {arguments} > {output} 2>&1 < /dev/null &")


def await_text(user: User, guest: str, file: str, text: str) -> str:
    """Wait until a guest's file holds a text; gives the whole file."""

    def seen() -> str:
        said = in_guest(user, guest, f"cat {file}")
        return said if text in said else ""

    return clock.wait_until(seen, within=90, what=f"{text!r} in {guest}'s {file}", every=0.2)


def streams(user: User) -> list[dict[str, Any]]:
    """Both agents' views of this test's stream; other tests may have left theirs."""
    return [s for s in user.json("streams") if s["name"] == f"port {PORT}"]


def direct(user: User) -> list[bool]:
    """Whether the stream is held by its program, at both ends."""
    return [s["direct"] for s in streams(user)]


def test_round_trips_go_on_through_migrations(lasting: User) -> None:
    """Its server waits with epoll, its client in recv()."""
    start(lasting, "g2", f"serve vsock:{SERVER_ID}:{PORT} epoll", "/run/serve.out")
    await_text(lasting, "g2", "/run/serve.out", "listening")
    start(lasting, "g1", f"echo vsock:{SERVER_ID}:{PORT} 64 600", REPORT)
    clock.wait_until(lambda: direct(lasting) == [True, True], within=60, what="direct mode")
    lasting.ok("migrate", "g1", "--to", "h2")
    assert [s["path"] for s in streams(lasting)] == ["tcp", "tcp"]
    lasting.ok("migrate", "g1", "--to", "h1")
    clock.wait_until(lambda: direct(lasting) == [True, True], within=60, what="direct mode again")
    in_guest(lasting, "g1", "kill -TERM $(pidof volley)")
    report = json.loads(await_text(lasting, "g1", REPORT, "rounds"))
    assert report["rounds"] > 100
    for domain, said in ((HOST_ID, "Permission denied"), (NOBODYS_ID, "No route to host")):
        assert said in in_guest(lasting, "g1", f"domsock nc {domain} {PORT} 2>&1 || true")
