"""The page of a story: parses the query string, and makes the context for the template."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from systemlog.console.changes import Change, changes_of, names_of_related
from systemlog.console.frames import Frame, Line, read_traceback
from systemlog.console.story.reading import MESSAGE_CHARACTERS, Moment, Page, Position, choose, read_contexts, read_page
from systemlog.console.story.timeline import Event, Place, Timeline, make_timeline, read_length
from systemlog.models import SystemLog
from systemlog.problems import InvalidParameters
from systemlog.records.fields import unstorable
from systemlog.records.times import parse_timestamp
from systemlog.search.parsing.rules import EMPTY, MAX_TERM_CHARACTERS, NUL
from systemlog.storage.lookups import By

MOST_TRACES = 20
MOST_CHANGES = 100
"""The most records of a page that show their frames or changes. For the others, there is a link to the record."""

ACCESS_CATEGORY = "systemlog.access"
BYS = {"correlation_id": By.CORRELATION_ID, "trace_id": By.TRACE_ID}
NAMES = {By.CORRELATION_ID: "Request", By.TRACE_ID: "Trace"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The story that a query string names, and where its page begins."""

    by: By
    value: str
    start: Position | None = None

    def query(self, position: Position | None = None) -> str:
        """Return the query string of the page of this story that begins at a position."""
        start = {} if position is None else {"from": f"{position.timestamp.isoformat()},{position.id}"}
        return urlencode({self.by.value: self.value, **start})


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the story, as the template shows it."""

    moment: Moment
    place: Place
    first_error: bool
    another_request: bool
    """In the story of a trace: whether the previous record belongs to another request."""

    frames: list[Frame | Line]
    changes: list[Change]

    @property
    def created(self) -> bool:
        """Whether the record is about the creation of an object. Its fields have no old values."""
        return self.moment.category == "audit.create"

    @property
    def message(self) -> str:
        """The beginning of the message."""
        text = self.moment.message
        return text if len(text) <= MESSAGE_CHARACTERS else text[:MESSAGE_CHARACTERS] + "…"


def read_asked(parameters: QueryDict) -> Asked | None:
    """Return the story that the parameters ask for, or None if they name none. Raises `InvalidParameters`."""
    errors: dict[str, str] = {}
    given = [name for name in BYS if name in parameters]
    for name in parameters:
        values = parameters.getlist(name)
        if name not in BYS and name != "from":
            errors[unstorable.sub("\ufffd", name[:100])] = "There is no such parameter."
        elif len(values) > 1 or len(given) > 1:
            errors[name] = "This may be given once." if len(values) > 1 else "Give one of these."
        elif unstorable.search(values[0]):
            errors[name] = NUL
        elif not values[0]:
            errors[name] = EMPTY
        elif len(values[0]) > MAX_TERM_CHARACTERS:
            errors[name] = f"This may have {MAX_TERM_CHARACTERS} characters."
    start = None
    if "from" in parameters and "from" not in errors:
        start = _read_position(str(parameters["from"]))
        if start is None:
            errors["from"] = "This must be a link of the story's own pages."
    if errors:
        raise InvalidParameters(errors)
    if not given:
        return None
    return Asked(BYS[given[0]], str(parameters[given[0]]), start)


def make_page(asked: Asked, user: Any) -> dict[str, Any]:
    """Return the context of a story for the template. Raises `BudgetSpent`."""
    page = read_page(asked.by, asked.value, asked.start)
    context = {"asked": asked, "name": NAMES[asked.by], "page": page}
    if not page.moments:
        return context
    moments = page.moments
    timeline = make_timeline([_event(moment) for moment in moments], page.beginning)
    records = read_contexts(choose(moments, MOST_TRACES, MOST_CHANGES))
    entries = _entries(asked, moments, timeline, records, user)
    return {
        **context,
        "timeline": timeline,
        "entries": entries,
        "began": page.beginning or moments[0].timestamp,
        "errors": sum(moment.grave for moment in moments),
        "outcome": next((moment for moment in reversed(moments) if moment.category == ACCESS_CATEGORY), None),
        "changed": [entry for entry in entries if entry.changes],
        "users": _different(moment.user_id for moment in moments),
        "traces": _different(moment.trace_id for moment in moments) if asked.by is By.CORRELATION_ID else [],
        "requests": _different(moment.correlation_id for moment in moments) if asked.by is By.TRACE_ID else [],
        **_links(asked, page),
    }


def _links(asked: Asked, page: Page) -> dict[str, Any]:
    return {
        "next_page": asked.query(page.next) if page.next else None,
        "first_page": asked.query() if asked.start else None,
        "error_page": asked.query(page.first_error) if page.first_error else None,
    }


def _entries(
    asked: Asked, moments: Sequence[Moment], timeline: Timeline, records: dict[uuid.UUID, SystemLog], user: Any
) -> list[Entry]:
    names = names_of_related((each for each in records.values() if each.category.startswith("audit.")), user)
    entries = []
    first_error = next((moment.id for moment in moments if moment.grave), None)
    request = moments[0].correlation_id
    for moment, place in zip(moments, timeline.places, strict=True):
        record = records.get(moment.id)
        context = record.context if record and isinstance(record.context, dict) else {}
        trace = context.get("exception")
        entries.append(
            Entry(
                moment=moment,
                place=place,
                first_error=moment.id == first_error,
                another_request=asked.by is By.TRACE_ID and moment.correlation_id != request,
                frames=read_traceback(trace) if isinstance(trace, str) else [],
                changes=changes_of(record, names) if record and moment.category.startswith("audit.") else [],
            )
        )
        request = moment.correlation_id
    return entries


def _event(moment: Moment) -> Event:
    return Event(moment.timestamp, moment.source, read_length(moment.duration_ms))


def _different(values: Any) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:20]


def _read_position(text: str) -> Position | None:
    time, _, record_id = text.partition(",")
    timestamp: datetime | None = parse_timestamp(time.replace(" ", "+"))
    with suppress(ValueError):
        return Position(timestamp, uuid.UUID(record_id)) if timestamp else None
    return None
