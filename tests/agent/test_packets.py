"""SOCK_SEQPACKET between two domains: bounds and ends of records, through handovers."""

from __future__ import annotations

import pytest
from agents import Pair, wait_until
from shimmed import program

# Message n has a size and a content that both ends can work out; every third ends a record.
MESSAGES = """
def packets(): return socket.socket(socket.AF_VSOCK, socket.SOCK_SEQPACKET)
SIZES = (1, 7, 1000, 4096, 65536, 200_000, 3)
def message(n): return bytes((n + i) % 251 for i in range(256)) * 800
def size(n): return SIZES[n % len(SIZES)]
"""
SEND = f"""{MESSAGES}
one = packets(); one.connect((4, 5000)); say("connected"); one.setblocking(True)
n = 0
while not select.select([0], [], [], 0)[0]:
    one.sendmsg([message(n)[:size(n)]], [], socket.MSG_EOR if n % 3 == 0 else 0); n += 1
say(n)
"""
RECEIVE = f"""{MESSAGES}
s = packets(); s.bind((socket.VMADDR_CID_ANY, 5000)); s.listen(1); say("listening")
one, _ = s.accept(); n = 0
while True:
    data, _, flags, _ = one.recvmsg(300_000)
    if not data: break
    assert len(data) == size(n) and data == message(n)[:len(data)], (n, len(data))
    assert bool(flags & socket.MSG_EOR) == (n % 3 == 0) and not flags & socket.MSG_TRUNC, (n, flags)
    n += 1
say(n)
"""


def test_messages_keep_their_bounds_through_handovers(pair: Pair) -> None:
    with program(pair.g2, RECEIVE) as server:
        assert server.line() == "listening"
        with program(pair.g1, SEND) as client:
            assert client.line() == "connected"
            for to in ("shm", "tcp", "shm", "tcp"):
                sent = pair.g1.streams()[0]["acked"]
                if to == "shm":
                    pair.attach(pair.make_region())
                pair.hand_over(to, pair.g2)
                wait_until(
                    lambda s=sent: pair.g1.streams()[0]["acked"] > s + (2 << 20),
                    f"messages go on by {to}",
                )
            client.tell()
            sent_messages = client.end()
        assert server.end() == sent_messages
    wait_until(lambda: not pair.g1.streams() + pair.g2.streams(), "the stream is closed")


@pytest.mark.parametrize("cid", [1, 4])
def test_a_stream_is_no_sequence_of_messages(pair: Pair, cid: int) -> None:
    code = f"""{MESSAGES}
try: packets().connect(({cid}, 5000))
except OSError as error: say(error.strerror)
"""
    with program(pair.g2, "s = listener(5000); say('listening'); sys.stdin.read()") as server:
        assert server.line() == "listening"
        with program(pair.g2 if cid == 1 else pair.g1, code) as client:
            assert client.end() == "Connection reset by peer"


def test_a_child_without_the_shim_keeps_the_bounds(pair: Pair) -> None:
    code = f"""{MESSAGES}
import subprocess
one = packets(); one.connect((4, 5000))
told = {{k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}}
for word in ("first", "second"): subprocess.run(["printf", word], stdout=one.fileno(), env=told)
"""
    receive = f"""{MESSAGES}
s = packets(); s.bind((socket.VMADDR_CID_ANY, 5000)); s.listen(1); say("listening")
one, _ = s.accept(); say(one.recv(100), one.recv(100), one.recv(100))
"""
    with program(pair.g2, receive) as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            client.end()
        assert server.end() == "b'first' b'second' b''"
