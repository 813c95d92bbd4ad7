"""Programs of every kind, as they are: an interpreter by port, one without a C library, ssh over a
proxy command, and one in a root of its own; while both guests are moved in turn.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import config
from tests.lab.guests import Guests, standing
from tests.lab.stock import PREFIX, bundle, bundle_python, python_packages, unpacked
from tests.lab.support import User

# lf is written in Go and linked statically; it serves and calls a UNIX socket.
PACKAGES = ("socat", "lf", "openssh-client", "dropbear-bin")
PROGRAMS = {
    "g1": ("usr/bin/socat", "usr/bin/lf", "usr/bin/ssh", "usr/bin/ssh-keygen"),
    "g2": ("usr/bin/socat", "usr/bin/lf", "usr/bin/dropbearkey", "usr/sbin/dropbear"),
}
IMPORTS = ("itertools", "os", "socket", "time")
SERVE = """
import socket
listener = socket.socket(socket.AF_VSOCK)
listener.bind((socket.VMADDR_CID_ANY, 7000))
listener.listen()
one, _ = listener.accept()
while data := one.recv(100):
    one.sendall(data)
"""
CALL = """
import itertools, os, socket, time
one = socket.socket(socket.AF_VSOCK)
one.connect((4, 7000))
for number in itertools.count():
    one.sendall(b"%d" % number)
    print(one.recv(100).decode(), flush=True)
    time.sleep(0.05)  # others want the processor, too
    if os.path.exists("stop"):
        break
"""
BOX = f"""
mkdir -p {PREFIX}/box /sockets
mount --bind / {PREFIX}/box
mount --bind /run/domsock/g2 {PREFIX}/box/sockets
exec chroot {PREFIX}/box socat -t60 - UNIX-CONNECT:/sockets/echo
"""
SERVERS = {
    "python": "domsock run python3 serve.py",
    "lf": "XDG_RUNTIME_DIR=/run/domsock/self exec lf -server",
    "ssh": "socat UNIX-LISTEN:/run/domsock/self/ssh,fork,mode=666 EXEC:'dropbear -i -r hostkey'",
    "echo": "socat UNIX-LISTEN:/run/domsock/self/echo,fork,mode=666 EXEC:cat",
}
NUMBERS = "i=0; until test -e stop; do echo $i; i=$((i + 1)); usleep 50000; done"
SENDS = 'i=0; until test -e stop; do lf -remote "send 7 $i"; echo $i; i=$((i + 1)); done'
SSH = "ssh -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
NUMBER_7 = "(echo conn 7; until test -e heard.stop; do usleep 100000; done)"
HEARS = {"heard": f"{NUMBER_7} | socat -t1 - UNIX-CONNECT:/run/domsock/g2/lf.root.sock"}
CLIENTS = {
    "python": "domsock run python3 call.py",
    "sent": f"export XDG_RUNTIME_DIR=/run/domsock/g2; {SENDS}",  # a program and a call each
    "ssh": f"({NUMBERS}) | {SSH} -o ProxyCommand='domsock nc g2 ssh' root@g2 cat",
    "boxed": f"({NUMBERS}) | unshare -m sh enter",
}


@pytest.fixture
def guests(root: User) -> Iterator[Guests]:
    python = root.home / "python.tar.gz"
    with standing(root) as found:
        with unpacked((*PACKAGES, *python_packages()), config.cache_dir()) as files:
            bundle_python(files, IMPORTS, python)
            for guest, programs in PROGRAMS.items():
                archive = root.home / f"{guest}.tar.gz"
                bundle(files, programs, archive)
                found.carry(guest, archive)
                found.carry(guest, python)
        yield found


def prepare(guests: Guests) -> None:
    """What the programs read, and keys for ssh."""
    guests.write("g2", "serve.py", SERVE)
    guests.write("g1", "call.py", CALL)
    guests.write("g1", "enter", BOX)
    guests.do("g1", "ssh-keygen -q -t ed25519 -N '' -f key")
    guests.do("g2", "dropbearkey -t ed25519 -f hostkey; mkdir -m 700 /root/.ssh")
    guests.write("g2", "/root/.ssh/authorized_keys", guests.do("g1", "cat key.pub"))
    guests.do("g2", "chmod 600 /root/.ssh/authorized_keys")


@pytest.mark.long
def test_programs_go_on_while_both_guests_are_moved(guests: Guests) -> None:
    prepare(guests)
    guests.start("g2", SERVERS)
    guests.do("g2", "until test -S /run/domsock/self/lf.root.sock; do usleep 50000; done")
    guests.do("g2", "chmod 666 /run/domsock/self/lf.root.sock")  # its own user's alone at first
    guests.await_paths(("lf.root.sock", "ssh", "echo"))
    guests.start("g1", HEARS)
    guests.do("g2", "until grep -q 'conn 7' lf.out; do usleep 50000; done")
    guests.start("g1", CLIENTS)
    everybody = [*HEARS, *CLIENTS]
    guests.go_on(everybody)
    guests.move_both(everybody)
    guests.do("g1", "touch stop")
    said = {name: guests.ended("g1", name) for name in CLIENTS}
    for name, numbers in said.items():
        assert numbers == [str(number) for number in range(len(numbers))], name
    guests.do("g1", "touch heard.stop")
    heard = guests.ended("g1", "heard")
    assert sorted(heard, key=int) == said["sent"]  # calls are served side by side
