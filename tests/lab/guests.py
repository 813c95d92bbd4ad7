"""Two guests whose programs work on each other in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import clock
from tests.lab.stock import PREFIX
from tests.lab.support import User

TOPOLOGY = """
name: stock
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1, memory: 256 MiB}, g2: {host: h1, memory: 256 MiB}}
grants: [{between: [g1, g2]}]
"""

ENVIRONMENT = f"""\
export LD_LIBRARY_PATH={PREFIX}/lib PYTHONHOME={PREFIX} PATH=$PATH:{PREFIX}/bin
umask 0
cd {PREFIX}
"""


class Guests:
    """g1 and g2 of a testbed, with stock programs in them."""

    def __init__(self, user: User, testbed: str) -> None:
        self.user = user
        self.testbed = testbed

    def do(self, guest: str, script: str) -> str:
        """What a shell says that has the programs."""
        argv = ("--", "sh", "-c", ENVIRONMENT + script)
        return self.user.ok("exec", "-t", self.testbed, guest, *argv)

    def carry(self, guest: str, archive: Path) -> None:
        """Programs for a guest, from their archive."""
        unpack = ("tar", "-xzf", "/stock.tar.gz", "-C", "/")
        self.user.ok("cp", "-t", self.testbed, str(archive), f"{guest}:/stock.tar.gz")
        self.user.ok("exec", "-t", self.testbed, guest, "--", *unpack)
        self.do(guest, "rm /stock.tar.gz")

    def write(self, guest: str, file: str, text: str) -> None:
        """A file in the folder where the programs work."""
        self.do(guest, f"cat > {file} << 'END'\n{text}\nEND\n")

    def start(self, guest: str, commands: dict[str, str]) -> None:
        """Run them in the background; what each says goes to a file of its name."""
        for name, command in commands.items():
            self.write(guest, f"{name}.sh", ENVIRONMENT + command)
        self.do(
            guest,
            "".join(
                f"setsid sh {name}.sh > {name}.out 2>&1 < /dev/null & echo $! > {name}.pid\n"
                for name in commands
            ),
        )

    def said(self, guest: str, name: str) -> list[str]:
        """The lines that it has said so far."""
        return self.do(guest, f"cat {name}.out").splitlines()

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """For programs under emulation, which take their time."""
        clock.wait_until(condition, within=120, what=what, every=0.2)

    def await_paths(self, paths: Iterable[str]) -> None:
        """What g2 exports is there in g1."""
        for path in paths:
            self.do("g1", f"until test -S /run/domsock/g2/{path}; do usleep 50000; done")

    def go_on(self, clients: Iterable[str]) -> None:
        """Every client says more than it has said."""
        for name in clients:
            count = len(self.said("g1", name))
            self.wait(f"more from {name}", lambda n=name, c=count: len(self.said("g1", n)) > c)

    def move_both(self, clients: Iterable[str]) -> None:
        """Each guest there and back, while clients go on."""
        for guest in ("g1", "g2"):
            for host in ("h2", "h1"):
                self.user.ok("migrate", "-t", self.testbed, guest, "--to", host)
                self.go_on(clients)

    def end(self, guest: str, name: str) -> list[str]:
        """Tell a program to end, and return all that it has said."""
        self.do(guest, f"kill -TERM $(cat {name}.pid)")
        return self.ended(guest, name)

    def ended(self, guest: str, name: str) -> list[str]:
        """Wait until a program ends in its own way, and return all that it has said."""
        gone = f"test -d /proc/$(cat {name}.pid) || echo gone"
        self.wait(f"{name} to end", lambda: "gone" in self.do(guest, gone))
        return self.said(guest, name)


@contextmanager
def standing(user: User) -> Iterator[Guests]:
    """Two guests with room for programs; taken down with the block."""
    with user.standing("stock", TOPOLOGY):
        yield Guests(user, "stock")
