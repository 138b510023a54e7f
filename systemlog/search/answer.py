"""The answer to a search: a page and the total of all records that match."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from systemlog.search.counting.total import Total, count
from systemlog.search.pages import Page, PageSearch, find_page
from systemlog.search.parsing.cursors import Cursor
from systemlog.search.plan import Plan
from systemlog.storage import BudgetSpent, get_storage


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, the number of records that match, and whether that number is exact or a lower bound."""

    page: Page
    total: int
    exact: bool


def find_answer(plan: Plan, *, limit: int, cursor: Cursor | None = None) -> Answer:
    """Run the plan for the first page, or for the page that a cursor names, which knows the total already."""
    if cursor is None:
        return _first_answer(plan, limit)
    page = find_page(plan, limit=limit, after=cursor.after, backwards=cursor.backwards, first_slice=cursor.slice)
    return Answer(page, cursor.total, cursor.exact)


def _first_answer(plan: Plan, limit: int) -> Answer:
    """Find the first page; if there is more than the page, count in the same transaction, which saves round trips."""
    search, total = PageSearch(plan, limit=limit), Total(plan)
    with suppress(BudgetSpent), get_storage(plan.records.db).budget() as allow:
        search.run(allow)
        if search.full:
            total.count(allow, newest=search.items)
    page = search.page()
    seen = len(page.items)
    if page.complete and page.older is None:
        return Answer(page, seen, exact=True)
    records, exact = (total.records, total.exact) if page.complete else count(plan)
    # The roll-up may have counted fewer records than the page has.
    return Answer(page, max(records, seen), exact and records >= seen)
