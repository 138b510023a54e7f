"""Tests of the spans in which a condition held, against a direct count by the definition."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from systemlog.alerts.spans import Span, crowded, from_us, merge, to_us

TIMES = st.lists(st.integers(0, 60), max_size=30).map(sorted)


def holds(times: list[int], instant: int, number: int, within: int) -> bool:
    """Count directly whether more than `number` records lie in the window that ends at the instant."""
    return sum(instant - within < each <= instant for each in times) > number


@given(TIMES, st.integers(0, 5), st.integers(1, 20))
def test_the_condition_holds_in_the_spans_and_nowhere_else(times: list[int], number: int, within: int) -> None:
    spans = crowded(times, number, within)
    for instant in range(90):
        inside = any(span.start <= instant < span.end for span in spans)
        assert inside == holds(times, instant, number, within), instant


@given(TIMES, st.integers(0, 5), st.integers(1, 20))
def test_the_peak_is_the_fullest_window(times: list[int], number: int, within: int) -> None:
    for span in crowded(times, number, within):
        counts = [sum(end - within < each <= end for each in times) for end in range(span.start, span.end)]
        assert span.peak == max(counts)


@given(TIMES, st.integers(0, 5), st.integers(1, 20))
def test_spans_rise_and_lie_apart(times: list[int], number: int, within: int) -> None:
    spans = crowded(times, number, within)
    assert all(before.end < after.start for before, after in pairwise(spans))


def test_records_that_span_the_whole_window_are_not_within_it() -> None:
    assert crowded([0, 10], 1, 10) == []
    assert crowded([1, 10], 1, 10) == [Span(10, 11, 2)]


def test_spans_that_touch_are_one() -> None:
    assert merge([Span(5, 7, 1), Span(1, 5, 3), Span(9, 10, 2)]) == [Span(1, 7, 3), Span(9, 10, 2)]


@given(st.integers(0, 4_000_000_000_000_000))
def test_an_instant_is_the_same_in_microseconds(microseconds: int) -> None:
    assert to_us(from_us(microseconds)) == microseconds
