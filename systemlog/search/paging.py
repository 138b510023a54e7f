"""The pages of one search: which one a URL's parameters ask for, and the cursors of the pages beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from django.http import QueryDict

from systemlog.search.pages import Page
from systemlog.search.parsing.cursors import Cursor, fingerprint
from systemlog.search.parsing.query import Query
from systemlog.search.position import Position


def fingerprint_of(parameters: QueryDict, excluding: Collection[str]) -> str:
    """Return a hash that identifies the search which a URL describes, without the parameters `excluding`."""
    return fingerprint(
        (name, value) for name in parameters if name not in excluding for value in parameters.getlist(name)
    )


class Paging:
    """The cursor among a URL's parameters, None for the first page, and the cursors of further pages.

    A cursor belongs to the search that its URL describes; the parameters `excluding` are not part of that. Raises
    `BadCursor` for a text that is no cursor, or belongs to another search.
    """

    def __init__(self, parameters: QueryDict, *, excluding: Collection[str] = ()) -> None:
        self._parameters = parameters
        self._search = fingerprint_of(parameters, {"cursor", *excluding})
        self.cursor = Cursor.decode(str(parameters["cursor"]), self._search) if "cursor" in parameters else None

    @property
    def backwards(self) -> bool:
        """Whether the page is searched for towards newer records."""
        return self.cursor is not None and self.cursor.backwards

    def resolve(self, query: Query) -> Query:
        """Return the query with the bounds of its first page, at which a relative time was resolved."""
        return replace(query, since=self.cursor.since, until=self.cursor.until) if self.cursor else query

    def older_and_newer(
        self, page: Page, query: Query, *, total: int = 0, exact: bool = False
    ) -> tuple[str | None, str | None]:
        """Return the texts of the cursors of the older and the newer page, None where there is no such page.

        Without a count, the cursors carry "at least 0" as the total.
        """

        def encode(after: Position | None, towards_newer: bool) -> str | None:
            if after is None:
                return None
            # The proposed slice is for the direction in which this page was searched.
            slice_ = page.slice if towards_newer == self.backwards else None
            return self.encode(Cursor(after, towards_newer, query.since, query.until, total, exact, slice_))

        return encode(page.older, towards_newer=False), encode(page.newer, towards_newer=True)

    def encode(self, cursor: Cursor) -> str:
        """Return the text of a cursor of this search."""
        return cursor.encode(self._search)

    def query_string(self, cursor: str) -> str:
        """Return the URL's parameters with another cursor."""
        parameters = self._parameters.copy()
        parameters["cursor"] = cursor
        return parameters.urlencode()
