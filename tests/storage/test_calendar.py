"""Which span of time a partition covers, and which partitions are merged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.storage.calendar import MERGED_ABOVE, Span, days_ahead, mergeable, span_for

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
instants = st.one_of(
    st.datetimes(datetime(2016, 1, 1), datetime(2026, 12, 20), timezones=st.just(UTC)),  # noqa: DTZ001  (the zone is beside it)
    st.datetimes(timezones=st.just(UTC)),
)
partitions = st.sampled_from(["day", "week", "month"])


@pytest.mark.parametrize(
    ("instant", "partition", "lower", "upper"),
    [
        ("2026-11-24T02:30:00", "day", "2026-11-24", "2026-11-25"),
        ("2026-11-24T02:30:00", "week", "2026-11-23", "2026-11-30"),
        ("2026-11-24T02:30:00", "month", "2026-11-01", "2026-12-01"),
        ("2026-12-31T23:59:59", "month", "2026-12-01", "2027-01-01"),
        ("2026-09-01T00:00:00", "day", "2026-09-01", "2026-10-01"),
        ("2020-02-29T12:00:00", "day", "2020-01-01", "2021-01-01"),
        ("2003-08-06T09:52:50", "day", "2000-01-01", "2010-01-01"),
        ("1970-01-01T00:00:00", "day", "1970-01-01", "1980-01-01"),
    ],
)
def test_the_older_the_coarser(instant: str, partition: str, lower: str, upper: str) -> None:
    span = span_for(datetime.fromisoformat(instant + "+00:00"), now=NOW, partition=partition, taken=[])
    assert [f"{bound:%Y-%m-%d}" for bound in span] == [lower, upper]


def test_a_new_partition_is_clipped_to_the_gap_between_its_neighbors() -> None:
    taken = [
        Span(datetime(2026, 9, 5, tzinfo=UTC), datetime(2026, 9, 6, tzinfo=UTC)),
        Span(datetime(2026, 9, 20, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)),
    ]
    span = span_for(datetime(2026, 9, 10, tzinfo=UTC), now=NOW, partition="day", taken=taken)
    assert span == Span(datetime(2026, 9, 6, tzinfo=UTC), datetime(2026, 9, 20, tzinfo=UTC))


@given(st.lists(instants, max_size=300), partitions)
def test_partitions_never_overlap_and_stay_below_a_hundred(wanted: list[datetime], partition: str) -> None:
    spans: list[Span] = []
    for instant in wanted + [NOW + timedelta(days=day) for day in range(8)]:
        make(instant, NOW, partition, spans)
    spans.sort()
    assert all(earlier.upper <= later.lower for earlier, later in pairwise(spans))
    assert len(spans) < 100


@given(st.lists(st.tuples(st.integers(1, 40), st.lists(instants, max_size=5)), max_size=100), partitions)
def test_they_stay_below_a_hundred_where_retention_never_runs(
    visits: list[tuple[int, list[datetime]]], partition: str
) -> None:
    spans: list[Span] = []
    now = NOW
    for days, wanted in visits:
        now += timedelta(days=days)
        for instant in [now, *wanted, *days_ahead(now, partition)]:
            make(instant, now, partition, spans)
    assert len(spans) < 100


@given(st.lists(instants, max_size=100), partitions, st.integers(0, 4000))
def test_merging_ends_below_the_bound_and_keeps_what_is_young(
    wanted: list[datetime], partition: str, later: int
) -> None:
    spans: list[Span] = []
    for instant in wanted + [NOW - timedelta(days=day) for day in range(60)]:
        make(instant, NOW, partition, spans)
    now = NOW + timedelta(days=later)
    young = {span for span in spans if span.upper > now - timedelta(days=35)}
    while (target := mergeable(spans, now=now)) is not None:
        inside = [span for span in spans if target.lower <= span.lower and span.upper <= target.upper]
        assert len(inside) > 1
        spans = sorted([span for span in spans if span not in inside] + [target])
        assert all(earlier.upper <= later.lower for earlier, later in pairwise(spans))
    assert young <= set(spans)
    assert len(spans) <= MERGED_ABOVE + 10


def make(instant: datetime, now: datetime, partition: str, spans: list[Span]) -> None:
    """Add a span for the instant as the storage does."""
    if not any(instant in span for span in spans):
        spans.append(span_for(instant, now=now, partition=partition, taken=spans))
        assert instant in spans[-1]
