"""A leak is seen through noise; noise, steps and a warm-up are not taken for one."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.model.flatness import growth, judge

TIMES = [float(t) for t in range(60)]


@given(st.integers(0, 1000), st.floats(1, 100))
def test_a_steady_leak_is_seen_through_noise(seed: int, slope: float) -> None:
    rng = random.Random(seed)
    values = [1000 + slope * t + rng.uniform(-1, 1) * slope for t in TIMES]
    flat, why = judge(TIMES, values, allowed=20 * slope)
    assert not flat and "grew by" in why


@given(st.integers(0, 1000))
def test_noise_is_flat(seed: int) -> None:
    rng = random.Random(seed)
    assert judge(TIMES, [rng.uniform(90, 110) for _ in TIMES], allowed=15) == (True, "")


def test_what_grows_in_the_warm_up_only_is_flat() -> None:
    values = [min(t, 12.0) * 100 for t in TIMES]
    assert judge(TIMES, values, allowed=1) == (True, "")


def test_a_value_that_comes_and_goes_is_flat() -> None:
    assert judge(TIMES, [t % 2 for t in TIMES], allowed=0.5) == (True, "")


def test_one_outlier_is_no_trend() -> None:
    assert judge(TIMES, [1e9 if t == 50 else 5.0 for t in TIMES], allowed=1)[0]


def test_what_shrinks_is_flat() -> None:
    assert judge(TIMES, [100 - t for t in TIMES], allowed=1)[0]


def test_few_samples_tell_nothing_and_say_so() -> None:
    assert judge([0, 1, 2], [0, 1e6, 2e6], allowed=1) == (True, "too few samples to tell")


def test_many_samples_are_thinned() -> None:
    many = [float(t) for t in range(100_000)]
    assert abs(growth(many, many) - 75_000) < 2000
