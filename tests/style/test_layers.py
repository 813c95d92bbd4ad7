from __future__ import annotations

from pathlib import Path

import pytest

from tests.style import layers, tree


def test_python_imports_go_downward() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py", below="harness")
        for violation in layers.python_violations(path, tree.text(path))
    )


def test_c_includes_go_downward() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".c", ".h", below="guest-agent/src")
        for violation in layers.c_violations(path, tree.text(path))
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/model/plan.py", "from harness.events import EventLog"),
        ("harness/clock.py", "from harness import run"),
        ("harness/virt/xml.py", "def f():\n    import harness.hosts.ssh"),
        ("harness/guests/guest.py", "from harness.grants.region import Region"),
        ("harness/guests/guest.py", "from .place import Place"),
        ("harness/errors.py", "from harness.unheard_of import x"),
        ("harness/misc.py", ""),
    ],
)
def test_a_wrong_import_is_seen(path: str, source: str) -> None:
    assert list(layers.python_violations(Path(path), source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("harness/cli/main.py", "from harness.testbed import apply\nimport sys"),
        ("harness/virt/xml.py", "from harness.virt.job import Job\nfrom harness.run import run"),
        ("harness/__init__.py", "from harness.testbed.testbed import Testbed"),
    ],
)
def test_a_right_import_passes(path: str, source: str) -> None:
    assert not list(layers.python_violations(Path(path), source))


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("guest-agent/src/abi/region.h", "base/log.h"),
        ("guest-agent/src/ring/ring.c", "../link/link.h"),
        ("guest-agent/src/cli/main.c", "ring/ring.h"),
        ("guest-agent/src/misc/thing.c", "misc/thing.h"),
    ],
)
def test_a_wrong_include_is_seen(path: str, include: str) -> None:
    assert list(layers.c_violations(Path(path), f'#include "{include}"\n'))


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("guest-agent/src/daemon/main.c", "link/link.h"),
        ("guest-agent/src/ring/ring.c", "ring.h"),
        ("guest-agent/src/cli/main.c", "../abi/region.h"),
    ],
)
def test_a_right_include_passes(path: str, include: str) -> None:
    assert not list(layers.c_violations(Path(path), f'#include "{include}"\n'))
