"""A program of the shim's tests: one AF_VSOCK stream, both directions full, every byte checked.

    vsock_flow.py listen PORT | connect CID PORT

Prints "connected"; sends until its stdin ends; then prints what it sent and checked, or a fault.
Uses nothing but the socket API: `domsock run` gives it AF_VSOCK.
"""

from __future__ import annotations

import socket
import sys
import threading

from programs import Flow


def connected(argv: list[str]) -> socket.socket:
    end = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    if argv[0] == "connect":
        end.connect((int(argv[1]), int(argv[2])))
        return end
    end.bind((socket.VMADDR_CID_ANY, int(argv[1])))
    end.listen(1)
    print("listening", flush=True)
    return end.accept()[0]


class Ends:
    """The two halves that a Flow wants, each of another seed: ours out, the peer's in."""

    def __init__(self, end: socket.socket, own: int, theirs: int) -> None:
        self.out, self.into = Flow.__new__(Flow), Flow.__new__(Flow)
        for flow, seed in ((self.out, own), (self.into, theirs)):
            flow.seed, flow.sent, flow.checked, flow.fault = seed, 0, 0, ""
            flow._stop = threading.Event()
        self.threads = [
            threading.Thread(target=self.out._send, args=(end,)),
            threading.Thread(target=self.into._check, args=(end,)),
        ]


def main(argv: list[str]) -> None:
    listens = argv[0] == "listen"
    ends = Ends(connected(argv), int(listens), int(not listens))
    print("connected", flush=True)
    for thread in ends.threads:
        thread.start()
    sys.stdin.read()
    ends.out._stop.set()
    for thread in ends.threads:
        thread.join()
    fault = ends.out.fault or ends.into.fault
    print(fault or f"sent {ends.out.sent} checked {ends.into.checked}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
