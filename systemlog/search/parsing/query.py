"""A search as data: the filters and the bounds of time that a client asks for, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from systemlog.models import Level


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of a search, each empty where the client did not give it, and the bounds of time.

    A record matches if it matches every filter. `since` is included, `until` is excluded; None is no bound.
    `context` holds pairs of a path (the part of the parameter's name after `context.`) and a value, both as text.
    """

    levels: tuple[str, ...] = ()
    min_level: str = ""
    categories: tuple[str, ...] = ()
    correlation_id: str = ""
    user_id: str = ""
    trace_id: str = ""
    source: str = ""
    subject: str = ""
    terms: tuple[str, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def filters(self) -> set[str]:
        """The names of the fields above that narrow the search, bounds of time aside."""
        return {name for name in FILTERS if getattr(self, name)}

    @property
    def allowed_levels(self) -> set[str]:
        """The levels that `levels` and `min_level` together allow."""
        return set(self.levels or Level.values) & set(Level.from_severity(self.min_level or Level.DEBUG))


FILTERS = tuple(field.name for field in fields(Query) if field.name not in ("since", "until"))
