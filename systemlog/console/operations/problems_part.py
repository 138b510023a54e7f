"""The problems on the operations page: how often each problem type was the response within the last day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models.fields.json import KT
from django.db.models.functions import Left
from django.urls import NoReverseMatch, reverse

from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Report, State, Table
from systemlog.console.operations.words import count, counted
from systemlog.models import Level, SystemLog
from systemlog.problems.error_log import ACTION
from systemlog.problems.registry import problem_types
from systemlog.storage import get_storage

STATEMENT_S = 3.0
SPAN = timedelta(days=1)
CATEGORY = "django.request"
NEWEST = 20_000
"""The most records that are counted. They are the newest ones."""

MAX_ROWS = 20


def read(user: Any) -> Report | None:
    """Return the problem types with their counts, the most frequent first."""
    records = SystemLog.objects.filter(category=CATEGORY, timestamp__gte=datetime.now(UTC) - SPAN)
    found = records.order_by("-timestamp").annotate(
        action=Left(KT("context__action"), 32), slug=Left(KT("context__problem"), 100)
    )
    with get_storage(records.db).budget() as allow:
        allow(STATEMENT_S)
        seen = list(found.values_list("action", "slug", "level")[:NEWEST])
    problems = [(slug or "other", level) for action, slug, level in seen if action == ACTION]
    grave = Counter(slug for slug, level in problems if level in Level.from_severity(Level.ERROR))
    counts = Counter(slug for slug, _ in problems)
    most = max(counts.values(), default=1)
    titles = {each.slug: each.title for each in problem_types()}
    rows = [
        [
            Cell(str(titles.get(slug, slug)), link=_search(slug)),
            Cell(slug),
            Cell(count(number), number=True, share=number / most),
            Cell(count(grave[slug]), number=True, state=State.ERROR if grave[slug] else State.NONE),
        ]
        for slug, number in counts.most_common(MAX_ROWS)
    ]
    if not rows:
        return Report("No error was answered within the last day.", State.GOOD)
    summary = f"{counted(len(problems), 'error')} answered within the last day"
    summary += (
        f", {count(sum(grave.values()))} of them the server's own." if grave else ", none of them the server's own."
    )
    return Report(
        summary,
        State.ERROR if grave else State.GOOD,
        table=Table(("Problem", "Type", "Answers", "Errors"), rows, "Problem types"),
        note=f"Counted in the newest {NEWEST:,} records of {CATEGORY}." if len(seen) == NEWEST else "",
    )


def _search(slug: str) -> str:
    try:
        url = reverse("admin:systemlog_systemlog_changelist")
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode({'category': CATEGORY, 'context.problem': slug, 'since': '-1d'})}"


PART = Part("problems", "Problems of the last day", read, order=50)
