"""Stock programs between real guests, by path and by port, while both guests are moved in turn.

None of them knows domsock. What each one says shows whether a call was lost, repeated or refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import config
from tests.lab.guests import Guests, standing
from tests.lab.stock import PREFIX, bundle, unpacked
from tests.lab.support import User

PACKAGES = ("socat", "redis-server", "redis-tools", "nginx", "curl", "zlib1g")
PROGRAMS = {
    "g1": ("usr/bin/socat", "usr/bin/redis-cli", "usr/bin/curl"),
    "g2": ("usr/bin/socat", "usr/bin/redis-server", "usr/sbin/nginx"),
}
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


@pytest.fixture
def guests(root: User) -> Iterator[Guests]:
    with standing(root) as found:
        with unpacked(PACKAGES, config.cache_dir()) as files:
            for guest, programs in PROGRAMS.items():
                archive = root.home / f"{guest}.tar.gz"
                bundle(files, programs, archive)
                found.carry(guest, archive)
        found.do("g2", "mkdir pages; echo the page > pages/page")
        found.write("g2", "nginx.conf", NGINX)
        yield found


@pytest.mark.long
def test_stock_programs_go_on_while_both_guests_are_moved(guests: Guests) -> None:
    guests.start("g2", SERVERS)
    guests.await_paths(("redis", "web", "echo"))
    guests.start("g1", CLIENTS)
    guests.go_on(CLIENTS)
    guests.move_both(CLIENTS)
    guests.do("g1", "touch stop")
    counted = guests.end("g1", "redis")
    assert counted == [str(number + 1) for number in range(len(counted))]
    assert set(guests.ended("g1", "curl")) == {"the page"}
    for name in ("socat", "vsock"):
        echoed = guests.ended("g1", name)
        assert echoed == [str(number) for number in range(len(echoed))]
