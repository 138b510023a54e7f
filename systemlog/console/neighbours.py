"""The records of the same source around one record: what happened just before and just after it, without any filter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from systemlog.models import SystemLog
from systemlog.search.pages import find_page
from systemlog.search.parsing.query import Query
from systemlog.search.plan import make_plan
from systemlog.search.position import Position
from systemlog.search.rows import Shape

MAX_NEIGHBOURS = 100
REACH = timedelta(hours=1)
"""Records of a quiet source further away than this are not searched for."""


def read_neighbours(record: SystemLog, number: int, shape: Shape) -> tuple[list[Any], list[Any]]:
    """Return up to `number` records after this one and before it, each newest first."""
    query = Query(source=record.source, since=record.timestamp - REACH, until=record.timestamp + REACH)
    plan, position = make_plan(query, shape), Position(record.timestamp, record.id)
    after = find_page(plan, limit=number, after=position, backwards=True).items
    return after, find_page(plan, limit=number, after=position).items
