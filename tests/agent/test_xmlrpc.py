"""The scenario that started it all: a management daemon in one domain, its client in another, over
a path, by stock Python, while the link changes its path. Between guests: tests/lab.
"""

from __future__ import annotations

import itertools
import threading
import xmlrpc.client
from collections.abc import Iterator

import pytest
from agents import Pair, wait_until

from examples.xmlrpc.client import Transport
from examples.xmlrpc.daemon import Daemon


@pytest.fixture
def daemon(pair: Pair) -> Iterator[Daemon]:
    (pair.g2.run_dir / "self" / "xend").mkdir()
    with Daemon(str(pair.g2.run_dir / "self" / "xend" / "rpc.sock")) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_calls_go_on_through_handovers(pair: Pair, daemon: Daemon) -> None:
    path = pair.g1.run_dir / "g2" / "xend" / "rpc.sock"
    wait_until(path.exists, "the daemon's socket appears")
    transport = Transport(str(path))
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
    image = bytes(50_000)
    stop = threading.Event()
    answers: list[object] = []

    def call() -> None:
        for number in itertools.count():
            answers.append(proxy.create(number, image))
            if stop.is_set():
                return

    caller = threading.Thread(target=call)
    caller.start()
    for to in ("shm", "tcp", "shm", "tcp"):
        seen = len(answers)
        if to == "shm":
            pair.attach(pair.make_region())
        pair.hand_over(to, pair.g2)
        wait_until(lambda s=seen: len(answers) > s + 3, f"calls go on by {to}")
    stop.set()
    caller.join()
    assert answers == [f"domain {n}, 50000 bytes" for n in range(len(answers))]
    assert daemon.domains == list(range(len(answers)))
    assert transport.connections == 1
