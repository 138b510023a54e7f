"""The strategy of a search, which follows from its filters."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.http import QueryDict

from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import FewRecords, Strategy, TimeWalk, make_plan
from systemlog.search.time_walk import FIRST_SLICE, INDEXED_SLICE
from systemlog.storage.lookups import By, Lookup

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "strategy"),
    [
        ("", TimeWalk(INDEXED_SLICE)),
        ("since=-1h", TimeWalk(INDEXED_SLICE)),
        ("level=INFO", TimeWalk(FIRST_SLICE)),
        ("min_level=ERROR", TimeWalk(INDEXED_SLICE, Lookup(By.GRAVE))),
        ("level=ERROR&level=INFO&min_level=WARNING", TimeWalk(INDEXED_SLICE, Lookup(By.ERROR))),
        ("category=a", TimeWalk(INDEXED_SLICE, Lookup(By.CATEGORY, "a"))),
        ("category=a&category=b", TimeWalk(INDEXED_SLICE)),
        ("category=a&level=CRITICAL", TimeWalk(INDEXED_SLICE, Lookup(By.CRITICAL_OF_CATEGORY, "a"))),
        ("category=a&min_level=ERROR", TimeWalk(INDEXED_SLICE)),
        ("category=a&level=INFO", TimeWalk(FIRST_SLICE)),
        ("level=ERROR&q=x", TimeWalk(FIRST_SLICE)),
        ("category=a&context.b=1", TimeWalk(FIRST_SLICE)),
        ("source=a", TimeWalk(FIRST_SLICE)),
        ("user_id=7", FewRecords(Lookup(By.USER_ID, "7"), exact=True)),
        ("user_id=7&context.a=1", FewRecords(Lookup(By.USER_ID, "7"))),
        ("user_id=7&correlation_id=c", FewRecords(Lookup(By.CORRELATION_ID, "c"))),
    ],
)
def test_the_filters_choose_the_strategy(query: str, strategy: Strategy) -> None:
    assert make_plan(read_query(QueryDict(query), known={"since"}, now=NOW)).strategy == strategy
