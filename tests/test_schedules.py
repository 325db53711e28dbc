"""Schedules: closed forms, limits, and that they are functions of the clock alone."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latente.schedules import Clock, constant, cosine, cyclical, linear, logistic

quick = settings(deadline=None, max_examples=100)
clocks = st.integers(1, 10**7).flatmap(lambda n: st.builds(Clock, st.integers(0, n), st.just(n)))
lengths = st.one_of(st.integers(0, 10**6), st.floats(0.001, 1.0))
RISING = [linear, cosine, logistic]


@quick
@given(clocks, st.floats(0, 100))
def test_constant(clock, value):
    assert constant(value)(clock) == constant(value).limit == value


@quick
@given(clocks, lengths, st.floats(0, 2), st.floats(0, 2))
def test_linear_and_cosine_in_closed_form(clock, length, start, end):
    whole = length * clock.steps if isinstance(length, float) else length
    part = min(1.0, clock.step / whole) if whole else 1.0
    assert linear(length, start=start, end=end)(clock) == pytest.approx(
        start + (end - start) * part, abs=1e-12
    )
    half = (1 - math.cos(math.pi * part)) / 2
    assert cosine(length, start=start, end=end)(clock) == pytest.approx(
        start + (end - start) * half, abs=1e-12
    )


def test_logistic_of_bowman():
    beta = logistic(2500, steepness=0.0025 * 2500)
    assert [round(beta(Clock(step, 10**5)), 4) for step in (0, 2500, 5000)] == [0.0019, 0.5, 0.9981]


@pytest.mark.parametrize("schedule", RISING)
@quick
@given(clocks, lengths)
def test_rising_schedules_never_fall_and_reach_their_limit(schedule, clock, length):
    beta = schedule(length, end=2.0)
    later = Clock(min(clock.steps, clock.step + 1 + clock.step // 3), clock.steps)
    assert 0 <= beta(clock) <= beta(later) <= beta.limit == 2.0
    assert beta(Clock(100 * 10**7, 10**7)) == pytest.approx(2.0)


@pytest.mark.parametrize("schedule", RISING)
def test_floats_are_shares_of_the_run_and_integers_are_steps(schedule):
    for step in (0, 10, 25, 50, 99):
        assert schedule(0.25)(Clock(step, 100)) == schedule(25)(Clock(step, 100))
        assert schedule(25)(Clock(step, 100)) == schedule(25)(Clock(step, 10**6))
        assert schedule(0.25)(Clock(step, 100)) == pytest.approx(schedule(0.25)(Clock(step * 7, 700)))
    assert linear(1)(Clock(1, 100)) == 1 and linear(1.0)(Clock(1, 100)) == 0.01


@pytest.mark.parametrize(("steps", "cycles", "mean"), [(40, 4, 0.7), (100, 4, 0.7296), (1000, 4, 0.748)])
def test_cyclical_in_closed_form(steps, cycles, mean):
    beta, period = cyclical(cycles), steps / cycles
    values = [beta(Clock(step, steps)) for step in range(steps)]
    expected = [min(1.0, 2 * math.fmod(step, period) / period) for step in range(steps)]
    assert values == pytest.approx(expected, abs=1e-9)
    assert values.count(0.0) == cycles
    assert sum(values) / steps == pytest.approx(mean, abs=1e-9)


@quick
@given(clocks, st.integers(1, 20), st.floats(0.05, 1.0))
def test_cyclical_stays_within_its_limits_and_ends_at_the_top(clock, cycles, ramp):
    beta = cyclical(cycles, ramp=ramp, end=3.0)
    assert 0 <= beta(clock) <= beta.limit == 3.0
    assert beta(Clock(clock.steps, clock.steps)) == 3.0


@quick
@given(clocks)
def test_a_schedule_has_no_memory(clock):
    for make in (linear, cosine, logistic, cyclical, constant):
        fresh, used = make(), make()
        for step in range(0, clock.steps, 1 + clock.steps // 5):
            used(Clock(step, clock.steps))
        assert used(clock) == fresh(clock)
