"""A page of records on the wire: its parameters beside the filters, and its JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.http import QueryDict

from systemlog.api.schema import DEFAULT_LIMIT, MAX_LIMIT
from systemlog.problems import InvalidParameters
from systemlog.records.times import represent_time
from systemlog.search.answer import Answer
from systemlog.search.paging import Paging
from systemlog.search.parsing.cursors import BadCursor
from systemlog.search.parsing.query import Query
from systemlog.search.rows import represent_row, represent_row_for_orjson


def read_limit(parameters: QueryDict) -> int:
    """Return how many records a page may have. Raises `InvalidParameters`."""
    return read_number(parameters, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)


def read_number(parameters: QueryDict, name: str, least: int, most: int, default: int) -> int:
    """Return the number that a parameter has. Raises `InvalidParameters`."""
    text = parameters.get(name, str(default))
    if text.isascii() and text.isdigit() and len(text) <= 4 and least <= int(text) <= most:
        return int(text)
    raise InvalidParameters({name: f"This must be a number from {least} to {most}."})


def read_paging(parameters: QueryDict, excluding: Collection[str] = ()) -> Paging:
    """Return the `Paging` of a search; the parameters `excluding` are not part of the search.

    Raises `InvalidParameters` for a text that is no cursor of this search.
    """
    try:
        return Paging(parameters, excluding=excluding)
    except BadCursor:
        raise InvalidParameters({"cursor": "This is no cursor of this search."}) from None


def represent_answer(answer: Answer, query: Query, paging: Paging, url: str, *, fragments: bool) -> dict[str, Any]:
    """Return the JSON object of a page whose search is at `url`.

    With `fragments`, each context is a fragment for orjson; without, a Python object.
    """
    page = answer.page
    older, newer = paging.older_and_newer(page, query, total=answer.total, exact=answer.exact)
    return {
        "items": list(map(represent_row_for_orjson if fragments else represent_row, page.items)),
        "total": answer.total,
        "total_relation": "eq" if answer.exact else "gte",
        "complete": page.complete,
        "searched_until": page.searched_until and represent_time(page.searched_until),
        "next": older and f"{url}?{paging.query_string(older)}",
        "previous": newer and f"{url}?{paging.query_string(newer)}",
    }
