"""How long a kept lab lives: the file may change it, and may get lost."""

from __future__ import annotations

import threading
from pathlib import Path

from harness import clock
from harness.hosts.lab import lifetime


def living(folder: Path) -> threading.Thread:
    thread = threading.Thread(target=lifetime.live_out, args=(folder,), daemon=True)
    thread.start()
    return thread


def test_it_ends_when_its_time_has_come_though_its_folder_is_gone(tmp_path: Path) -> None:
    begun = clock.now()
    lifetime.write(tmp_path, begun + 0.5)
    thread = living(tmp_path)
    clock.wait_until(lambda: thread.is_alive(), within=5, what="the watch to begin")
    thread.join(0.2)
    (tmp_path / lifetime.FILE).unlink()
    thread.join(30)
    assert not thread.is_alive() and clock.now() - begun >= 0.5


def test_a_time_is_given_later_or_changed(tmp_path: Path) -> None:
    thread = living(tmp_path)
    lifetime.write(tmp_path, clock.now() + 3600)
    assert thread.is_alive()
    lifetime.write(tmp_path, clock.now())
    thread.join(30)
    assert not thread.is_alive()


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert lifetime.read(tmp_path) is None
    (tmp_path / lifetime.FILE).write_text("soon")
    assert lifetime.read(tmp_path) is None
