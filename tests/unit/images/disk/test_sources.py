"""The machine's apt sources: the distribution's own are chosen, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import TestbedError
from harness.images.disk import sources

DEB822 = """
Types: deb
# an older snapshot
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN
 .
 line

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://mirror.example/disabled
Suites: bookworm
Components: main

Types: deb
URIs: http://node.example
Suites: nodistro
Components: main
"""
ONE_LINE = """\
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/ubuntu jammy main universe # ours
deb-src http://mirror.example/ubuntu jammy main
# deb http://mirror.example/ubuntu jammy-updates main
deb http://mirror.example/ubuntu jammy-security main
deb http://containers.example/linux jammy stable
deb http://cloud.example cloud-sdk main
"""


def test_of_stanzas_the_distributions_own_are_chosen() -> None:
    chosen = list(sources.select(DEB822, "bookworm", deb822=True))
    assert len(chosen) == 2
    assert "Suites: bookworm bookworm-updates\n" in chosen[0] and "#" not in chosen[0]
    assert "Suites: bookworm-security\n" in chosen[1] and "-----BEGIN" in chosen[1]


def test_of_lines_the_distributions_own_are_chosen() -> None:
    assert list(sources.select(ONE_LINE, "jammy", deb822=False)) == [
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/ubuntu jammy main universe\n",
        "deb http://mirror.example/ubuntu jammy-security main\n",
    ]


def test_files_keep_their_names_and_stanzas_their_distance(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(DEB822)
    (folder / "other.list.disabled").write_text(ONE_LINE)
    (tmp_path / "sources.list").write_text("# nothing\n")
    found = sources.machines_own(tmp_path, "bookworm")
    assert list(found) == ["debian.sources"]
    assert list(sources.select(found["debian.sources"], "bookworm", deb822=True)) == list(
        sources.select(DEB822, "bookworm", deb822=True)
    )


def test_a_machine_without_a_mirror_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    with pytest.raises(TestbedError, match="no mirror") as caught:
        sources.machines_own(tmp_path, "bookworm")
    assert "bookworm main" in caught.value.why


def test_proxies_and_checks_are_kept_and_nothing_else() -> None:
    dump = (
        'APT::Sandbox::User "_apt";\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Dir::Etc "etc/apt";\n'
    )
    assert sources.settings(dump).splitlines() == dump.splitlines()[1:3]
