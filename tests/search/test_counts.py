"""Totals, histograms and facets: the roll-up and the table give the same numbers."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.models import SystemLog, SystemLogRollup
from systemlog.search.counting import histogram, total
from systemlog.search.counting.facets import count_facets, count_facets_of
from systemlog.search.counting.histogram import TooManyBuckets, bucket_start, make_histogram
from systemlog.search.counting.tally import Tally
from systemlog.search.counting.total import count
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import Plan, make_plan
from systemlog.storage import Row, get_storage

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
PARAMETERS = {"since", "until"}


def asked(query: str, now: datetime = NOW) -> Plan:
    return make_plan(read_query(QueryDict(query), known=PARAMETERS, now=now))


@pytest.fixture
def logs() -> list[Row]:
    """A thousand records of ten days, and some that are much older."""
    chance = random.Random(3)
    instants = [NOW - timedelta(seconds=chance.randrange(10 * 86400)) for _ in range(1000)]
    instants += [NOW - timedelta(days=4000), NOW.replace(minute=0, second=0), NOW.replace(minute=59, second=59)]
    rows = [
        Row(
            instant,
            uuid.uuid4(),
            chance.choice(["INFO", "INFO", "ERROR", "CRITICAL"]),
            chance.choice(["web", "jobs"]),
            chance.choice(["", "a", "b"]),
            f"m{number % 10}",
            None,
            str(number % 3),
            {},
            None,
            None,
            None,
        )
        for number, instant in enumerate(instants)
    ]
    get_storage().insert(rows)
    return rows


FILTERS: dict[str, Callable[[Row], bool]] = {
    "": lambda row: True,
    "level=ERROR": lambda row: row.level == "ERROR",
    "min_level=ERROR": lambda row: row.level in ("ERROR", "CRITICAL"),
    "category=web&source=a": lambda row: row.category == "web" and row.source == "a",
    "category=web&category=jobs&level=CRITICAL": lambda row: row.level == "CRITICAL",
    "q=m7": lambda row: row.message == "m7",
    "user_id=1&level=INFO": lambda row: row.user_id == "1" and row.level == "INFO",
    "category=none": lambda row: False,
}
TIMES: dict[str, tuple[datetime | None, datetime | None]] = {
    "": (None, None),
    "since=2026-05-01T10:20:30Z": (datetime(2026, 5, 1, 10, 20, 30, tzinfo=UTC), None),
    "until=2026-05-05T00:00:00Z": (None, datetime(2026, 5, 5, tzinfo=UTC)),
    "since=-3d&until=-90m": (NOW - timedelta(days=3), NOW - timedelta(minutes=90)),
    "since=2026-05-06T07:01:00Z&until=2026-05-06T07:50:00Z": (NOW.replace(minute=1, second=0), NOW.replace(minute=50)),
    "since=2026-05-06T06:50:00Z&until=2026-05-06T07:10:00Z": (
        datetime(2026, 5, 6, 6, 50, tzinfo=UTC),
        datetime(2026, 5, 6, 7, 10, tzinfo=UTC),
    ),
}
of_times = pytest.mark.parametrize("times", TIMES)
of_filters = pytest.mark.parametrize("filters", FILTERS)


def chosen(rows: list[Row], filters: str, times: str) -> list[Row]:
    since, until = TIMES[times]
    return [
        row
        for row in rows
        if FILTERS[filters](row)
        and (since is None or row.timestamp >= since)
        and (until is None or row.timestamp <= until)
    ]


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(total, "COUNT_BUDGET_S", 30)
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 30.0}


def test_counts_are_those_of_the_table(logs: list[Row]) -> None:
    for filters in FILTERS:
        for times in TIMES:
            search = asked(f"{filters}&{times}".strip("&"))
            rows = chosen(logs, filters, times)
            assert count(search) == (len(rows), True), (filters, times)
            for field in ("level", "category", "source"):
                found = count_facets(search, field)
                wanted = sorted(
                    Counter(getattr(row, field) for row in rows).items(), key=lambda item: (-item[1], item[0])
                )
                assert (found.values, found.searched_until, found.approximate) == (wanted, None, False)


@pytest.mark.parametrize("interval", [timedelta(minutes=7), timedelta(hours=1), timedelta(hours=5), timedelta(days=7)])
def test_a_histogram_has_each_record_in_its_bucket(logs: list[Row], interval: timedelta) -> None:
    for filters in FILTERS:
        for times in TIMES:
            if interval < timedelta(days=7) and not ("since" in times and "until" in times):
                continue  # too many of them
            found = make_histogram(asked(f"{filters}&{times}".strip("&")), interval)
            rows = chosen(logs, filters, times)
            wanted = Counter((bucket_start(row.timestamp, interval), row.level) for row in rows)
            assert {(b.start, level): n for b in found.buckets for level, n in b.levels.items()} == wanted
            assert [b.count for b in found.buckets] == [sum(b.levels.values()) for b in found.buckets]
            starts = [b.start for b in found.buckets]
            assert starts == [starts[0] + interval * number for number in range(len(starts))]
            assert (found.searched_until, found.approximate) == (None, False)


def test_buckets_begin_at_midnight_and_weeks_on_monday() -> None:
    assert bucket_start(NOW, timedelta(days=1)) == datetime(2026, 5, 6, tzinfo=UTC)
    assert bucket_start(NOW, timedelta(days=7)) == datetime(2026, 5, 4, tzinfo=UTC)
    assert datetime(2026, 5, 4, tzinfo=UTC).weekday() == 0


def test_an_interval_is_chosen_and_too_many_buckets_are_refused(logs: list[Row]) -> None:
    assert make_histogram(asked("since=2026-05-01T00:00:00Z&until=2026-05-06T00:00:00Z")).interval == timedelta(hours=3)
    assert len(make_histogram(asked("")).buckets) <= 100
    with pytest.raises(TooManyBuckets, match="there may be 1000"):
        make_histogram(asked(""), timedelta(hours=1))


def test_an_empty_log_has_no_buckets_and_no_values() -> None:
    assert make_histogram(asked("")).buckets == []
    assert count_facets(asked(""), "level").values == []
    assert count(asked("")) == (0, True)


def test_whole_hours_are_not_counted_in_the_table(logs: list[Row]) -> None:
    with CaptureQueriesContext(connections[conf().DATABASE]) as queries:
        make_histogram(asked("level=ERROR&until=2026-05-05T23:59:59.999999Z"), timedelta(days=30))
        count_facets(asked("level=ERROR"), "category")
        count(asked("level=ERROR"))
    assert not [query for query in queries if 'FROM "system_logs"' in query["sql"]]


def spend(monkeypatch: pytest.MonkeyPatch, on: str) -> None:
    """Let the method `on` of `Tally` raise `BudgetSpent`."""
    from systemlog.storage import BudgetSpent

    def refuse(self: Any, *arguments: Any) -> Any:
        raise BudgetSpent

    monkeypatch.setattr(Tally, on, refuse)


def test_where_the_edges_take_too_long_they_are_estimated(logs: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    search = asked("since=2026-05-02T10:30:00Z&until=2026-05-05T12:00:00Z")
    exact = sum(number for _, number in count_facets(search, "level").values)
    spend(monkeypatch, "_in_records")
    found = count_facets(search, "level")
    assert found.approximate
    assert found.searched_until is None
    assert sum(number for _, number in found.values) == pytest.approx(exact, abs=10)


def test_short_buckets_that_were_not_counted_are_estimated_from_the_hours(
    logs: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "since=2026-05-05T00:00:00Z&until=2026-05-05T23:59:59.999999Z&level=INFO"
    exact = sum(b.count for b in make_histogram(asked(query), timedelta(minutes=10)).buckets)
    spend(monkeypatch, "_in_records")
    found = make_histogram(asked(query), timedelta(minutes=10))
    assert (len(found.buckets), found.approximate, found.searched_until) == (144, True, None)
    assert sum(b.count for b in found.buckets) == exact


def test_the_estimate_of_a_histogram_of_no_chosen_interval_comes_sooner(
    logs: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "since=2026-05-05T00:00:00Z&until=2026-05-05T23:59:59.999999Z&level=INFO"
    exact = sum(b.count for b in make_histogram(asked(query), timedelta(minutes=15)).buckets)
    monkeypatch.setattr(histogram, "SINGLY_S", -1.0)
    found = make_histogram(asked(query))
    assert (found.interval, found.searched_until) == (timedelta(minutes=15), None)
    assert sum(b.count for b in found.buckets) == exact
    assert not make_histogram(asked(query), timedelta(minutes=15)).approximate


def test_several_fields_have_the_counts_that_each_has_alone(logs: list[Row]) -> None:
    fields = ["level", "category", "source"]
    for query in ("", "since=2026-05-02T10:30:00Z&until=2026-05-05T12:10:00Z", "q=m7", "category=a"):
        assert list(count_facets_of(asked(query), fields)) == [count_facets(asked(query), each) for each in fields]


def test_what_cannot_be_estimated_says_how_far_it_was_counted(logs: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    spend(monkeypatch, "_in_records")
    found = make_histogram(asked("since=-3d&until=-1h&q=m7"), timedelta(hours=1))
    assert (found.approximate, found.buckets[:1]) == (False, found.buckets)
    assert found.searched_until
    assert count_facets(asked("user_id=1"), "level").searched_until


@pytest.mark.parametrize("until", ["", "&until=9000-01-01T00:00:00Z"], ids=["without until", "until the future"])
def test_a_histogram_ends_at_the_present(until: str) -> None:
    now = datetime.now(UTC)
    get_storage().insert([row_at(now), row_at(now + timedelta(minutes=50))])
    search = asked(f"since=-15m{until}", now)
    found = make_histogram(search, timedelta(seconds=1))
    assert now - timedelta(minutes=15, seconds=1) < found.buckets[0].start <= now - timedelta(minutes=15)
    assert now - timedelta(seconds=1) < found.buckets[-1].start <= datetime.now(UTC)
    assert sum(bucket.count for bucket in found.buckets) == 1


@pytest.mark.parametrize("query", ["", "q=m"])
@pytest.mark.usefixtures("a_few_slices_a_page")
def test_a_budget_that_is_spent_leaves_the_newest_part(settings: Any, query: str) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 0.8}
    now = datetime.now(UTC)
    get_storage().insert([row_at(now - timedelta(days=30 * number)) for number in range(60)])
    found = make_histogram(asked(query, now), timedelta(days=30))
    assert found.searched_until
    assert found.buckets[-1].start <= now
    assert 1 <= sum(bucket.count for bucket in found.buckets) < 60
    by_level = count_facets(asked(query, now), "level")
    assert by_level.searched_until
    assert 1 <= sum(number for _, number in by_level.values) < 60


def row_at(instant: datetime) -> Row:
    return Row(instant, uuid.uuid4(), "INFO", "web", "a", "m", None, None, {}, None, None, None)


def test_a_total_stops_at_ten_thousand(monkeypatch: pytest.MonkeyPatch, logs: list[Row]) -> None:
    monkeypatch.setattr(total, "MAX_COUNT", 500)
    assert count(asked("")) == (500, False)
    assert count(asked("q=m")) == (500, False)
    assert count(asked("since=2000-01-01T00:30:00Z")) == (500, False)
    assert count(asked("level=ERROR"))[1]


@pytest.mark.parametrize("query", ["", "level=INFO&source=a", "category=web", "user_id=1"])
def test_a_busy_machine_gives_the_same_total(monkeypatch: pytest.MonkeyPatch, logs: list[Row], query: str) -> None:
    exact = count(asked(query))
    monkeypatch.setattr(total, "COUNT_BUDGET_S", 0.000_001)
    assert count(asked(query)) == exact


def test_a_roll_up_that_knows_less_than_the_page_is_not_believed(client: Any) -> None:
    SystemLog.objects.bulk_create([SystemLog(message="m") for _ in range(10)])
    SystemLogRollup.objects.all()._raw_delete(conf().DATABASE)
    page = client.get("/system/logs/?limit=5").json()
    assert (page["total"], page["total_relation"]) == (5, "gte")


@pytest.fixture
def client() -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client
