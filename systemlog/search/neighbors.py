"""The neighbors of a record in the order of the log, whatever filters found the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from systemlog.models import SystemLog
from systemlog.search.pages import find_page
from systemlog.search.parsing.query import Constraint, Query
from systemlog.search.plan import make_plan
from systemlog.search.position import Position
from systemlog.search.rows import TEXT_ROWS


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The rows of text of the newer and of the older records, newest first, and whether the search came to its end."""

    newer: list[Any]
    older: list[Any]
    complete: bool


def find_neighbors(record: SystemLog, *, before: int, after: int, same_source: bool) -> Neighbors:
    """Return up to `before` older and `after` newer records, all of them or those of the record's source."""
    plan = make_plan(Query(any_of=(Constraint("source", (record.source,)),) if same_source else ()), TEXT_ROWS)
    position = Position(record.timestamp, record.id)
    newer, older = (
        find_page(plan, limit=limit, after=position, backwards=backwards) if limit else None
        for limit, backwards in ((after, True), (before, False))
    )
    return Neighbors(
        newer=newer.items if newer else [],
        older=older.items if older else [],
        complete=all(page.complete for page in (newer, older) if page),
    )
