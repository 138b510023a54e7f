"""Pages: they show every record once and in order, in both directions, and say when the time budget was spent."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.http import QueryDict

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.search import pages as search_pages
from systemlog.search.counting import total
from systemlog.search.counting.total import count
from systemlog.search.one_record import find_record
from systemlog.search.pages import Page, find_page
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import FewRecords, Plan, make_plan
from systemlog.search.position import Position
from systemlog.search.time_walk import FIRST_SLICE, slices_down
from systemlog.storage import Row, get_storage
from systemlog.storage.calendar import BEGINNING, END
from systemlog.storage.expressions import ContextHolds, HasTerm
from systemlog.storage.lookups import By, Lookup
from systemlog.storage.postgresql import lookup_functions

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
EPOCH_POSITION = Position(datetime(1970, 1, 1, tzinfo=UTC), uuid.UUID(int=0))


def fill(instants: list[datetime], **columns: Any) -> list[Row]:
    rows = [
        Row(instant, uuid.uuid4(), "INFO", "c", "", f"m{n}", None, None, {}, None, None, None)._replace(**columns)
        for n, instant in enumerate(instants)
    ]
    get_storage().insert(rows)
    return sorted(rows, key=lambda row: row[:2], reverse=True)


def walk(looked_for: Plan, limit: int, *, backwards: bool = False, after: Any = None) -> Iterator[Page]:
    while True:
        page = find_page(looked_for, limit=limit, after=after, backwards=backwards)
        yield page
        after = page.newer if backwards else page.older
        if after is None:
            return


@pytest.fixture
def everywhere() -> list[Row]:
    """Records of twenty years in bursts: many share an instant, and some lie in the near future."""
    chance = random.Random(7)
    instants = [NOW + timedelta(minutes=4)] * 3
    for _ in range(12):
        burst = NOW - timedelta(seconds=chance.randrange(1, 20 * 365 * 86400))
        instants += [burst] * chance.randrange(1, 9)
        instants += [burst + timedelta(microseconds=chance.randrange(10**9)) for _ in range(8)]
    instants += [NOW - timedelta(seconds=n) for n in range(40)]
    return fill(instants)


def test_a_search_through_many_partitions_comes_to_its_end() -> None:
    fill([NOW - timedelta(days=day) for day in range(60)], user_id="u")
    looked_for = Plan(SystemLog.objects.filter(user_id="u"), strategy=FewRecords(Lookup(By.USER_ID, "u")))
    found = find_page(looked_for, limit=100)
    assert len(found.items) == 60
    back = find_page(looked_for, limit=100, after=EPOCH_POSITION, backwards=True)
    assert len(back.items) == 60


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_walking_older_and_back_sees_every_record_once_in_order(everywhere: list[Row], limit: int) -> None:
    keys = [row[:2] for row in everywhere]
    pages = list(walk(Plan(SystemLog.objects.all()), limit))
    assert [(record.timestamp, record.id) for page in pages for record in page.items] == keys
    assert all(page.complete for page in pages)
    assert pages[0].newer is None
    if pages[1:]:
        back = list(walk(Plan(SystemLog.objects.all()), limit, backwards=True, after=pages[-1].newer))
        seen = [(record.timestamp, record.id) for page in reversed(back) for record in page.items]
        assert seen == keys[: len(keys) - len(pages[-1].items)]


def test_the_bounds_of_a_search_include_since_and_exclude_until(everywhere: list[Row]) -> None:
    since, until = everywhere[60].timestamp, everywhere[20].timestamp
    found = [r.id for page in walk(Plan(SystemLog.objects.all(), since, until), 10) for r in page.items]
    assert found == [row.id for row in everywhere if since <= row.timestamp < until]


def test_a_record_that_arrives_later_shifts_no_page(everywhere: list[Row]) -> None:
    first = find_page(Plan(SystemLog.objects.all()), limit=10)
    fill([NOW + timedelta(minutes=3, seconds=30)] * 5)
    second = find_page(Plan(SystemLog.objects.all()), limit=10, after=first.older)
    assert [record.id for record in second.items] == [row.id for row in everywhere[10:20]]


def test_an_empty_log_and_an_empty_page_are_complete() -> None:
    assert find_page(Plan(SystemLog.objects.all()), limit=5) == Page([], None, None)
    fill([NOW])
    page = find_page(Plan(SystemLog.objects.filter(category="none")), limit=5)
    assert (page.items, page.complete, page.older) == ([], True, None)


def test_a_search_that_runs_out_of_its_budget_says_how_far_it_came_and_goes_on(
    everywhere: list[Row], a_few_slices_a_page: None
) -> None:
    looked_for = Plan(SystemLog.objects.filter(message="m0"))
    after, first_slice, answers = None, None, []
    while True:
        page = find_page(looked_for, limit=3, after=after, first_slice=first_slice)
        answers.append(page)
        after, first_slice = page.older, page.slice
        if after is None:
            break
        assert len(answers) < 1000
    assert len(answers) > 2
    incomplete = [page for page in answers if not page.complete]
    assert all(page.searched_until and page.older for page in incomplete)
    borders = [page.searched_until for page in incomplete if page.searched_until]
    assert borders == sorted(borders, reverse=True)
    expected = [row.id for row in everywhere if row.message == "m0"]
    assert [record.id for page in answers for record in page.items] == expected


def test_the_database_itself_stops_a_statement_that_takes_too_long(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 0.01}
    fill([NOW - timedelta(milliseconds=n) for n in range(20_000)], message="x" * 500, context={"a": {"b": "c" * 200}})
    slow = SystemLog.objects.filter(*(HasTerm("message", f"y{n}Ä") for n in range(30)))
    page = find_page(Plan(slow), limit=5, first_slice=timedelta(days=1))
    assert not page.complete
    assert page.searched_until is not None
    assert SystemLog.objects.filter(category="c").count() == 20_000  # no limit stays behind


def test_a_count_is_exact_up_to_ten_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(total, "COUNT_BUDGET_S", 10)
    monkeypatch.setattr(total, "MAX_COUNT", 30)
    fill([NOW - timedelta(seconds=n) for n in range(31)])
    assert count(Plan(SystemLog.objects.all())) == (30, False)
    assert count(Plan(SystemLog.objects.exclude(message="m30"))) == (30, True)
    assert count(Plan(SystemLog.objects.all(), NOW - timedelta(seconds=4), NOW)) == (4, True)


def test_an_id_is_looked_up_wherever_it_stands_and_the_newest_wins() -> None:
    chosen = uuid.uuid4()
    fill([NOW - timedelta(days=4000), NOW - timedelta(days=1), NOW - timedelta(days=700)], id=chosen)
    record = find_record(chosen)
    assert record is not None
    assert record.timestamp == NOW - timedelta(days=1)
    own = SystemLog.objects.create(message="own")
    assert find_record(own.id) == own
    assert find_record(uuid.uuid4()) is None


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("category=rare", lambda row: row.category == "rare"),
        ("level=ERROR", lambda row: row.level == "ERROR"),
        ("level=CRITICAL", lambda row: row.level == "CRITICAL"),
        ("min_level=ERROR", lambda row: row.level in ("ERROR", "CRITICAL")),
        ("level=CRITICAL&category=rare", lambda row: row.level == "CRITICAL" and row.category == "rare"),
        ("level=ERROR&category=rare", lambda row: row.level == "ERROR" and row.category == "rare"),
        ("min_level=ERROR&category=rare", lambda row: row.level in ("ERROR", "CRITICAL") and row.category == "rare"),
    ],
)
def test_what_an_index_has_by_time_is_found_page_by_page(query: str, fits: Callable[[Row], bool]) -> None:
    instants = [NOW - timedelta(days=n, seconds=n % 3) for n in range(50)]
    rows = [
        row
        for level in ("INFO", "ERROR", "CRITICAL")
        for category in ("rare", "other")
        for row in fill(instants, level=level, category=category)
    ]
    for since, until in [(None, None), (NOW - timedelta(days=40), NOW - timedelta(days=9))]:
        looked_for = replace(make_plan(read_query(QueryDict(query), known=set(), now=NOW)), since=since, until=until)
        within = [row for row in rows if (not since or row.timestamp >= since) and (not until or row.timestamp < until)]
        keys = sorted((row[:2] for row in within if fits(row)), reverse=True)
        pages = list(walk(looked_for, 15))
        assert [(record.timestamp, record.id) for page in pages for record in page.items] == keys
        assert all(page.complete for page in pages)


def test_a_correlation_id_that_half_of_the_log_has_is_found_page_by_page() -> None:
    rows = fill([NOW - timedelta(minutes=n) for n in range(lookup_functions.MANY + 10)], correlation_id="x")
    looked_for = Plan(
        SystemLog.objects.filter(correlation_id="x"), strategy=FewRecords(Lookup(By.CORRELATION_ID, "x"), exact=True)
    )
    pages = list(walk(looked_for, 2000))
    assert [record.id for page in pages for record in page.items] == [row.id for row in rows]


@pytest.mark.parametrize("column", ["correlation_id", "trace_id", "user_id", "subject"])
@pytest.mark.parametrize("few", [20, 1000])
def test_a_selective_filter_finds_what_it_finds_alone_and_beside_others(
    column: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_pages, "FEW", few)
    monkeypatch.setattr(total, "COUNT_BUDGET_S", 10)
    instants = [NOW - timedelta(days=n % 40, seconds=n % 3) for n in range(120)]
    rows = [*fill(instants[:80], **{column: "x"}), *fill(instants, level="ERROR", **{column: "x"})]
    fill(instants, **{column: "y"})
    by = Lookup(By(column), "x")
    for searched, expected in [
        (Plan(SystemLog.objects.filter(**{column: "x"}), strategy=FewRecords(by, exact=True)), rows),
        (Plan(SystemLog.objects.filter(**{column: "x"}, level="ERROR"), strategy=FewRecords(by)), rows[80:]),
    ]:
        for since, until in [(None, None), (NOW - timedelta(days=30), NOW - timedelta(days=9, seconds=1))]:
            bounded = replace(searched, since=since, until=until)
            within = [r for r in expected if (not since or r.timestamp >= since) and (not until or r.timestamp < until)]
            keys = sorted((row[:2] for row in within), reverse=True)
            pages = list(walk(bounded, 30))
            assert [(record.timestamp, record.id) for page in pages for record in page.items] == keys
            assert all(page.complete for page in pages)
            assert len(pages) == max(1, -(-len(keys) // 30))
            assert count(bounded) == (len(keys), True)


@pytest.mark.parametrize(
    ("message", "term", "found"),
    [
        ("POSSIBLE BREAK-IN ATTEMPT!", "break-in", True),
        ("Müller", "MÜLLER", True),
        ("ΑΒΓ", "αβγ", True),
        ("100% sure_ly \\o/", "% sure_LY \\O", True),
        ("100 sure", "%", False),
        ("abc", "a_c", False),
        ("o'neil", "O'N", True),
    ],
)
def test_a_term_is_found_as_a_substring_in_any_case(message: str, term: str, found: bool) -> None:
    SystemLog.objects.create(message=message)
    assert SystemLog.objects.filter(HasTerm("message", term)).exists() is found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, True),
        ({"a": True}, False),
        ({"a": "1"}, False),
        ({"b": {"c": None}}, True),
        ({"b": {}}, True),
        ({"b": {"c": 0}}, False),
        ({"t": ["x"]}, True),
        ({"t": "x"}, False),
        ({"d.e": 1.5}, True),
        ({"yes": 1}, False),
        ({"yes": True}, True),
    ],
)
def test_a_context_is_asked_in_the_same_way_on_every_database(wanted: dict[str, Any], found: bool) -> None:
    SystemLog.objects.create(message="m", context={"a": 1, "b": {"c": None}, "t": ["x", "y"], "d.e": 1.5, "yes": True})
    assert SystemLog.objects.filter(ContextHolds("context", wanted)).exists() is found


@pytest.mark.skipif("connections['default'].vendor != 'sqlite'", reason="partitions tell where there is nothing")
def test_years_without_a_record_are_no_work() -> None:
    old = datetime(1999, 1, 1, tzinfo=UTC)
    SystemLog.objects.bulk_create([SystemLog(message="m", timestamp=at) for at in (old, datetime.now(UTC))])
    just_after = old + timedelta(microseconds=1)
    assert list(slices_down(get_storage(), None, None, FIRST_SLICE)) == [
        (just_after, END),
        (BEGINNING, just_after),
    ]


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (r'{"\u006frder": 7}', {"order": 7}),
        (r'{"order": "\u0037"}', {"order": "7"}),
        (r'{"order": "a\/b"}', {"order": "a/b"}),
        (r'{"order": "a\"b"}', {"order": 'a"b'}),
        ('{"order": 7.0}', {"order": 7}),
        ('{"order": 120}', {"order": 1.2e2}),
        ('{"order": 1.2E2}', {"order": 120}),
        ('{"order": 700e-2}', {"order": 7}),
        ('{"order": -7}', {"order": -7}),
        ('{"order": 12345678901234567890123}', {"order": 12345678901234567890123}),
        ('{"order": {"Größe": [1, {"x": null}]}}', {"order": {"Größe": [{"x": None}]}}),
    ],
)
def test_a_value_is_found_however_its_json_is_written(stored: str, wanted: dict[str, Any]) -> None:
    get_storage().ensure_partitions([datetime(2026, 1, 1, tzinfo=UTC)])
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(
            "INSERT INTO system_logs (id, timestamp, message, context) VALUES (%s, %s, 'm', %s)",
            [uuid.uuid4().hex, "2026-01-01 00:00:00", stored],
        )
    assert SystemLog.objects.filter(ContextHolds("context", wanted)).exists()
    assert not SystemLog.objects.filter(ContextHolds("context", {"orders": wanted["order"]})).exists()
