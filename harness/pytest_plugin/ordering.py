"""The order of tests: those that share something costly stand together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def grouped(items: Sequence[T], key: Callable[[T], Hashable | None]) -> list[T]:
    """The items with those of one key next to each other, in the order they were.

    Items whose key is None keep their places: the others share the places that are left.
    """
    keys = [key(item) for item in items]
    rank = {found: place for place, found in reversed(list(enumerate(keys)))}
    places = [place for place, found in enumerate(keys) if found is not None]
    ordered = sorted(places, key=lambda place: rank[keys[place]])
    result = list(items)
    for place, source in zip(places, ordered, strict=True):
        result[place] = items[source]
    return result


def distinct(values: Iterable[T]) -> list[T]:
    """Each value once, in the order they came."""
    return list(dict.fromkeys(values))
