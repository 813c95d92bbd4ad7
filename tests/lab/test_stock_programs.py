"""Stock programs between real guests, by path and by port, while both guests are moved in turn.

None of them knows domsock. What each one says shows whether a call was lost, repeated or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import clock, config
from tests.lab.stock import PREFIX, bundle, unpacked
from tests.lab.support import User, nothing_left

TOPOLOGY = """
name: stock
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1, memory: 256 MiB}, g2: {host: h1, memory: 256 MiB}}
grants: [{between: [g1, g2]}]
"""
PACKAGES = ("socat", "redis-server", "redis-tools", "nginx", "curl", "zlib1g")
PROGRAMS = {
    "g1": ("usr/bin/socat", "usr/bin/redis-cli", "usr/bin/curl"),
    "g2": ("usr/bin/socat", "usr/bin/redis-server", "usr/sbin/nginx"),
}
ENVIRONMENT = f"""\
export LD_LIBRARY_PATH={PREFIX}/lib PATH=$PATH:{PREFIX}/bin
umask 0
cd {PREFIX}
"""
NGINX = f"""\
daemon off;
user root;
pid {PREFIX}/nginx.pid;
error_log {PREFIX}/nginx.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {PREFIX}/body;
  proxy_temp_path {PREFIX}/proxy;
  fastcgi_temp_path {PREFIX}/fastcgi;
  uwsgi_temp_path {PREFIX}/uwsgi;
  scgi_temp_path {PREFIX}/scgi;
  server {{ listen unix:/run/domsock/self/web; root {PREFIX}/pages; }}
}}
"""
REDIS = "redis-server --port 0 --unixsocket /run/domsock/self/redis --unixsocketperm 777 --save ''"
SERVERS = {
    "redis": REDIS,
    "nginx": f"nginx -c {PREFIX}/nginx.conf",
    "socat": "socat UNIX-LISTEN:/run/domsock/self/echo,fork,mode=666 EXEC:cat",
    "vsock": "domsock run socat VSOCK-LISTEN:7000,fork EXEC:cat",
}
NUMBERS = "i=0; while [ ! -e stop ]; do echo $i; i=$((i + 1)); usleep 5000; done"
GET = "curl -sf --unix-socket /run/domsock/g2/web http://g2/page || echo refused"
CLIENTS = {
    "redis": "exec redis-cli -s /run/domsock/g2/redis -r -1 -i 0.005 INCR calls",
    "curl": f"while [ ! -e stop ]; do {GET}; done",
    "socat": f"({NUMBERS}) | socat -t60 - UNIX-CONNECT:/run/domsock/g2/echo",
    "vsock": f"({NUMBERS}) | domsock run socat -t60 - VSOCK-CONNECT:4:7000",
}


class Guests:
    """The two guests, with the programs in them."""

    def __init__(self, user: User) -> None:
        self.user = user

    def do(self, guest: str, script: str) -> str:
        """What a shell says that has the programs."""
        return self.user.ok("exec", "-t", "stock", guest, "--", "sh", "-c", ENVIRONMENT + script)

    def carry(self, guest: str, archive: Path) -> None:
        """Programs for a guest, and what these work on."""
        self.user.ok("cp", "-t", "stock", str(archive), f"{guest}:/stock.tar.gz")
        self.user.ok("exec", "-t", "stock", guest, "--", "tar", "-xzf", "/stock.tar.gz", "-C", "/")
        self.do(guest, "rm /stock.tar.gz; mkdir pages; echo the page > pages/page")
        self.do(guest, f"cat > nginx.conf << 'END'\n{NGINX}END\n")

    def start(self, guest: str, commands: dict[str, str]) -> None:
        """Run them in the background; what each says goes to a file of its name."""
        for name, command in commands.items():
            self.do(guest, f"cat > {name}.sh << 'END'\n{ENVIRONMENT}{command}\nEND\n")
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
        clock.wait_until(condition, within=60, what=what, every=0.2)

    def go_on(self) -> None:
        """Every client says more than it has said."""
        for name in CLIENTS:
            count = len(self.said("g1", name))
            self.wait(f"more from {name}", lambda n=name, c=count: len(self.said("g1", n)) > c)

    def stop(self) -> None:
        """Clients end in their own way."""
        self.do("g1", "touch stop; kill -TERM $(cat redis.pid)")
        for name in CLIENTS:
            gone = f"test -d /proc/$(cat {name}.pid) || echo gone"
            self.wait(f"{name} to end", lambda g=gone: "gone" in self.do("g1", g))


@pytest.fixture
def guests(root: User) -> Iterator[Guests]:
    (root.home / "stock.yaml").write_text(TOPOLOGY)
    found = Guests(root)
    with nothing_left():
        root.ok("up", "stock.yaml")
        try:
            with unpacked(PACKAGES, config.cache_dir()) as files:
                for guest, programs in PROGRAMS.items():
                    archive = root.home / f"{guest}.tar.gz"
                    bundle(files, programs, archive)
                    found.carry(guest, archive)
            yield found
        finally:
            root.ok("down", "stock")


@pytest.mark.long
def test_stock_programs_go_on_while_both_guests_are_moved(guests: Guests) -> None:
    guests.start("g2", SERVERS)
    for path in ("redis", "web", "echo"):
        guests.do("g1", f"until test -S /run/domsock/g2/{path}; do usleep 50000; done")
    guests.start("g1", CLIENTS)
    guests.go_on()
    for guest in ("g1", "g2"):
        for host in ("h2", "h1"):
            guests.user.ok("migrate", "-t", "stock", guest, "--to", host)
            guests.go_on()
    guests.stop()
    counted = guests.said("g1", "redis")
    assert counted == [str(number + 1) for number in range(len(counted))]
    assert set(guests.said("g1", "curl")) == {"the page"}
    for name in ("socat", "vsock"):
        echoed = guests.said("g1", name)
        assert echoed == [str(number) for number in range(len(echoed))]
