"""The socket between a lab and its starter."""

from __future__ import annotations

import sys

import pytest

from harness import run
from harness.errors import DeadlineExceeded
from harness.hosts.lab.channel import Channel


def test_words_go_both_ways() -> None:
    ours, theirs = Channel.pair()
    theirs.say("ready", note="x")
    ours.say("keep")
    assert ours.hear(1) == {"word": "ready", "note": "x"}
    assert theirs.hear(1) == {"word": "keep"}


def test_the_speaker_is_known() -> None:
    ours, theirs = Channel.pair()
    code = (
        "import sys; from harness.hosts.lab.channel import Channel;"
        "Channel.inherited(int(sys.argv[1])).say('ready')"
    )
    argv = [sys.executable, "-c", code, str(theirs.fileno())]
    child = run.spawn(argv, pass_fds=[theirs.fileno()])
    try:
        assert ours.hear(20) == {"word": "ready"}
        assert ours.peer_pid == child.pid
    finally:
        run.terminate(child)


def test_a_dead_peer_is_seen_and_harms_nobody() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    assert ours.hear(1) is None
    ours.say("keep")


def test_silence_has_an_end() -> None:
    ours, theirs = Channel.pair()
    with pytest.raises(DeadlineExceeded, match="said nothing"):
        ours.hear(0.05)
    theirs.close()


def test_a_long_text_is_cut_and_the_message_stays_whole() -> None:
    ours, theirs = Channel.pair()
    theirs.say("failed", what="short", why="\u2028" * 9000)
    heard = ours.hear(1)
    assert heard is not None and heard["word"] == "failed"
    assert set(heard["why"]) == {"\u2028"} and "what" in heard
