"""Conditions that each database says in its own way: a term in a text, a value in a context."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db.models import BooleanField, DateTimeField, F, Func, TextField, Value

from systemlog.records.context_json import UNREADABLE

SECONDS_BEFORE_1970 = 62135596800
UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
"""Start and length of what stands between the dashes of a UUID."""


ESCAPE = "\\u"
"""With it JSON can write any character."""

_is_plain = re.compile(r"[A-Za-z0-9 _.,:;@#+*=~-]+", re.ASCII).fullmatch
"""A text that JSON has as it is, or as an `ESCAPE`."""


class HasTerm(Func):
    """Whether the text has `term` in it, as a substring, in any case."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, expression: str, term: str) -> None:
        escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        super().__init__(F(expression), Value(f"%{escaped}%", TextField()))
        self.term = term

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """ILIKE, which a trigram index can answer."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" ILIKE ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """LIKE, which knows the cases of ASCII letters only; other texts are asked of a function of ours."""
        if self.term.isascii():
            template = "(%(expressions)s ESCAPE '\\')"
            return self.as_sql(compiler, connection, template=template, arg_joiner=" LIKE ", **context)
        lowered = self.copy()
        lowered.set_source_expressions([self.source_expressions[0], Value(self.term.lower(), TextField())])
        return lowered.as_sql(compiler, connection, function="systemlog_has_term", **context)


class ContextHolds(Func):
    """Whether the JSON object holds all members of `wanted`, nested ones too: PostgreSQL's `@>`."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, expression: str, wanted: dict[str, Any]) -> None:
        super().__init__(F(expression), Value(json.dumps(wanted), TextField()))
        self.words = sorted(words_of(wanted))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The operator that the GIN index on `context` answers."""
        return self.as_sql(compiler, connection, template="(%(expressions)s::jsonb)", arg_joiner=" @> ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A function of ours, row by row; but first SQLite itself looks whether the text has what must be in it."""
        held, held_params = self.as_sql(compiler, connection, function="systemlog_json_contains", **context)
        document, params = compiler.compile(self.source_expressions[0])
        if not self.words:
            return held, held_params
        # CASE, since the order in which AND is judged is not promised.
        has_words = " AND ".join([f"instr({document}, %s)"] * len(self.words))
        sql = f"CASE WHEN ({has_words}) OR instr({document}, %s) THEN {held} ELSE 0 END"
        words = [each for word in self.words for each in (*params, word)]
        return sql, (*words, *params, ESCAPE, *held_params)


def words_of(wanted: Any) -> set[str]:
    """What stands in the JSON of whatever contains `wanted`, unless that has an `ESCAPE` in it.

    Numbers are left out: JSON can write the same one in many ways, and to look for those takes as long as to read it.
    """
    if isinstance(wanted, dict):
        if UNREADABLE in wanted:  # what is no JSON is taken for an object with this key
            return set()
        return {word for name, member in wanted.items() for word in words_of(name) | words_of(member)}
    if isinstance(wanted, list):
        return {word for each in wanted for word in words_of(each)}
    return {wanted} if isinstance(wanted, str) and _is_plain(wanted) else set()


class TimeText(Func):
    """An instant as it is represented: RFC 3339 in UTC, with six digits of the second."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """So that the driver makes no object of it."""
        template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A function of ours, which knows the zone that the text is in."""
        return self.as_sql(compiler, connection, function="systemlog_time_text", **context)


class IdText(Func):
    """A UUID with its dashes."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As PostgreSQL writes it."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Which stores it without them."""
        dashed = " || '-' || ".join(f"substr(%(expressions)s, {start}, {length})" for start, length in UUID_PARTS)
        return self.as_sql(compiler, connection, template=f"({dashed})", **context)


class BinStart(Func):
    """The start of the bin of so many seconds that an instant lies in; bins begin at midnight, and weeks on Monday."""

    output_field = DateTimeField()

    def __init__(self, expression: str, seconds: int) -> None:
        super().__init__(F(expression))
        self.seconds = int(seconds)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Since the first day of the calendar, which is a Monday."""
        template = f"date_bin('{self.seconds} seconds', %(expressions)s, '0001-01-01 00:00+00')"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The same, by hand."""
        epoch = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        start = f"{epoch} - ({epoch} + {SECONDS_BEFORE_1970}) %%%% {self.seconds}"
        template = f"strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%S', {start}, 'unixepoch')"
        sql, params = self.as_sql(compiler, connection, template=template, **context)
        return sql, (*params, *params)


class KeyCompared(Func):
    """Whether a record's key `(timestamp, id)` stands before (`<`) or after (`>`) another, as one row comparison."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, operator: str, timestamp: Any, record_id: Any) -> None:
        super().__init__(F("timestamp"), F("id"), timestamp, record_id)
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]  # Django takes more parameters, which this has no use for
        """`(timestamp, id) < (…, …)`: SQLite and PostgreSQL both answer it from the key's index."""
        compiled = [compiler.compile(expression) for expression in self.source_expressions]
        (at, key, other_at, other_key) = (sql for sql, _ in compiled)
        params = [param for _, params in compiled for param in params]
        return f"(({at}, {key}) {self.operator} ({other_at}, {other_key}))", params
