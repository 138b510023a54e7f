"""A search as data: the filters and the bounds of time that a client asks for, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from systemlog.models import Level

CONTEXT_PREFIX = "context."
MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A field and values. A record must have one of the values or, if the constraint excludes them, none of them.

    `field` is a column, `context.<path>`, or `MESSAGE` for terms in the message. A category that ends in `*` means all
    categories that begin so.
    """

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of a search, each empty where the client did not give it, and the bounds of time.

    A record matches if it matches every filter. `since` is included, `until` is excluded; None is no bound.
    `context` holds pairs of a path (the part of the parameter's name after `context.`) and a value, both as text.
    `any_of` are further constraints, such as two users, one of whom a record must have; `none_of` exclude records. A
    record without a value in a field is not excluded by that field.
    """

    levels: tuple[str, ...] = ()
    min_level: str = ""
    categories: tuple[str, ...] = ()
    correlation_id: str = ""
    user_id: str = ""
    trace_id: str = ""
    source: str = ""
    subject: str = ""
    group: str = ""
    terms: tuple[str, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    any_of: tuple[Constraint, ...] = ()
    none_of: tuple[Constraint, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def filters(self) -> set[str]:
        """The names of the fields above that narrow the search, except the bounds of time."""
        return {name for name in FILTERS if getattr(self, name)}

    @property
    def allowed_levels(self) -> set[str]:
        """The levels that `levels` and `min_level` together allow."""
        return set(self.levels or Level.values) & set(Level.from_severity(self.min_level or Level.DEBUG))

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints of `any_of` and of `none_of`."""
        return self.any_of + self.none_of


FILTERS = tuple(field.name for field in fields(Query) if field.name not in ("since", "until"))
