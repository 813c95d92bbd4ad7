"""Tests that share a testbed stand together; the others keep their places."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.pytest_plugin.ordering import distinct, grouped

Item = tuple[int, str | None]
items = st.lists(st.sampled_from(["a", "b", "c", None])).map(lambda keys: list(enumerate(keys)))


def test_an_example() -> None:
    given_ = [(0, "a"), (1, "b"), (2, None), (3, "a"), (4, "b")]
    assert grouped(given_, lambda item: item[1]) == [
        (0, "a"),
        (3, "a"),
        (2, None),
        (1, "b"),
        (4, "b"),
    ]


@given(items)
def test_nothing_is_lost_and_every_key_stands_together(given_: list[Item]) -> None:
    result = grouped(given_, lambda item: item[1])
    assert Counter(result) == Counter(given_)
    keys = [key for _, key in result if key is not None]
    runs = [key for place, key in enumerate(keys) if place == 0 or keys[place - 1] != key]
    assert runs == distinct(keys)
    assert [n for n, (_, key) in enumerate(result) if key is None] == [
        n for n, (_, key) in enumerate(given_) if key is None
    ]
    for wanted in set(keys):
        of_one = [number for number, key in result if key == wanted]
        assert of_one == sorted(of_one)
