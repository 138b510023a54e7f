"""Reads the records of a story, oldest first: a few columns of each, and the contexts of those that show theirs.

A page has up to 500 records, so a long story is read page by page. Each page is read within the time limit of a
search.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left

from systemlog.conf import conf
from systemlog.models import Level, SystemLog
from systemlog.search.budget import TimeBudget
from systemlog.search.plan import records_within
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.lookups import By, Lookup

PAGE_RECORDS = 500
COUNTED_RECORDS = 100_000
"""The page counts no further. It says that a longer story has this many records or more."""

MESSAGE_CHARACTERS = 1000
GRAVE = Level.from_severity(Level.ERROR)


class Moment(NamedTuple):
    """The columns that a story shows of every record."""

    id: uuid.UUID
    timestamp: datetime
    level: str
    category: str
    source: str
    message: str
    correlation_id: str | None
    trace_id: str | None
    user_id: str | None
    subject: str | None
    duration_ms: str | None
    exception: str | None
    """The beginning of the traceback, if there is one."""

    group: str | None
    """The id of the error group."""

    @property
    def grave(self) -> bool:
        """Whether the level is ERROR or above."""
        return self.level in GRAVE


class Position(NamedTuple):
    """Where a page of a story begins."""

    timestamp: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a story."""

    moments: list[Moment]
    next: Position | None
    total: int
    """The number of records in the story, as far as it was counted."""

    exact: bool
    beginning: datetime | None
    """The time of the first record of the story, if that record is not on this page."""

    first_error: Position | None
    """The first error of the story, if it is on a later page."""


def read_page(by: By, value: str, start: Position | None = None) -> Page:
    """Return the page that begins at `start`, or with the first record. Raises `BudgetSpent`."""
    records = _light().filter(**{by.value: value})
    storage = get_storage(records.db)
    lookup = Lookup(by, value)
    with storage.budget() as allow:
        budget = TimeBudget(allow, conf().SEARCH_TIMEOUT_S)
        budget.check()
        oldest_first = records.order_by("timestamp", "id")
        if start is None:
            # The lookup returns the newest records: the whole story, unless the story is longer than a page.
            found = storage.look_up(oldest_first, lookup, PAGE_RECORDS + 1)
            moments = [] if found is None else _moments(found)
            if found is None or len(moments) > PAGE_RECORDS:
                moments = _oldest(oldest_first, budget)
        else:
            from_start = Q(timestamp__gt=start.timestamp) | Q(timestamp=start.timestamp, id__gte=start.id)
            moments = _oldest(oldest_first.filter(from_start, timestamp__gte=start.timestamp), budget)
        more = moments[PAGE_RECORDS:]
        moments = moments[:PAGE_RECORDS]
        following = Position(more[0].timestamp, more[0].id) if more else None
        if start is None and following is None:
            return Page(moments, None, len(moments), True, None, None)
        beginning = None
        if start is not None:
            budget.check()
            beginning = oldest_first.values_list("timestamp", flat=True).first()
    first_error = None if any(moment.grave for moment in moments) or start else _first_error(oldest_first)
    try:
        number = count_records(by, value, COUNTED_RECORDS + 1)
    except BudgetSpent:
        return Page(moments, following, len(moments), False, beginning, first_error)
    return Page(moments, following, min(number, COUNTED_RECORDS), number <= COUNTED_RECORDS, beginning, first_error)


def count_records(by: By, value: str, most: int) -> int:
    """Return how many records a correlation id or trace has, counted up to `most`. Raises `BudgetSpent`."""
    records = SystemLog.objects.filter(**{by.value: value})
    storage = get_storage(records.db)
    with storage.budget() as allow:
        TimeBudget(allow, conf().SEARCH_TIMEOUT_S).check()
        number = storage.count_up_to(Lookup(by, value), most)
        return number if number is not None else records.order_by().values("id")[:most].count()


def _first_error(oldest_first: QuerySet[SystemLog, Any]) -> Position | None:
    """Return the position of the first error, or None if there is none or the time limit is reached."""
    with suppress(BudgetSpent), get_storage(oldest_first.db).budget() as allow:
        TimeBudget(allow, conf().SEARCH_TIMEOUT_S).check()
        found = oldest_first.filter(level__in=GRAVE).values_list("timestamp", "id").first()
        return Position(*found) if found else None
    return None


def read_contexts(moments: Sequence[Moment]) -> dict[uuid.UUID, Any]:
    """Return the records of these moments with whole contexts, by id. Returns none if the time limit is reached."""
    if not moments:
        return {}
    ids = {moment.id for moment in moments}
    first, last = moments[0].timestamp, moments[-1].timestamp
    records = SystemLog.objects.filter(id__in=ids, timestamp__gte=first, timestamp__lte=last)
    found: Iterable[SystemLog] = ()
    with suppress(BudgetSpent), get_storage(records.db).budget() as allow:
        TimeBudget(allow, conf().SEARCH_TIMEOUT_S).check()
        found = list(records.defer("message"))
    return {record.id: record for record in found}


def _light() -> QuerySet[SystemLog, Any]:
    # Plain SQL can store timestamps that Python cannot represent.
    return records_within(SystemLog.objects.all(), Span(BEGINNING, END)).annotate(
        beginning=Left("message", MESSAGE_CHARACTERS + 1),
        took=Left(KT("context__duration_ms"), 32),
        trace=Left(KT("context__exception"), 1),
    )


def _oldest(records: QuerySet[SystemLog, Any], budget: TimeBudget) -> list[Moment]:
    """Return the oldest records: those of one page, and one more.

    The keys are read first, because a sort in the database would otherwise carry every column of every record.
    """
    budget.check()
    keys = list(records.values_list("timestamp", "id")[: PAGE_RECORDS + 1])
    if not keys:
        return []
    budget.check()
    within = records.filter(timestamp__gte=keys[0][0], timestamp__lte=keys[-1][0])
    return _moments(within[: PAGE_RECORDS + 1])


_columns = (
    *("id", "timestamp", "level", "category", "source", "beginning", "correlation_id", "trace_id", "user_id"),
    *("subject", "took", "trace", "group"),
)


def _moments(records: QuerySet[SystemLog, Any]) -> list[Moment]:
    return [Moment(*row) for row in records.values_list(*_columns)]


def choose(moments: Collection[Moment], most_traces: int, most_changes: int) -> list[Moment]:
    """Return the moments that show their context: those with a traceback, and audit records. Keeps their order."""
    traces = [moment for moment in moments if moment.exception][:most_traces]
    changes = [moment for moment in moments if moment.category.startswith("audit.")][:most_changes]
    return sorted({*traces, *changes}, key=lambda moment: (moment.timestamp, moment.id))
