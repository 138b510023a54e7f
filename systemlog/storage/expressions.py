"""Query expressions that PostgreSQL and SQLite write differently, such as a term in a text or a value in a context."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db.models import BooleanField, DateTimeField, F, Func, TextField, Value

from systemlog.records.context_json import UNREADABLE

SECONDS_BEFORE_1970 = 62135596800
UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
"""Start and length of each group of digits in a UUID."""


ESCAPE = "\\u"
"""The beginning of an escape sequence, by which JSON can write any character."""

_is_plain = re.compile(r"[A-Za-z0-9 _.,:;@#+*=~-]+", re.ASCII).fullmatch
"""A text of characters that JSON writes either literally or by `ESCAPE`."""


class HasTerm(Func):
    """Whether the text contains `term`, ignoring case."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, expression: str, term: str) -> None:
        super().__init__(F(expression), Value(f"%{_pattern(term)}", TextField()))
        self.term = term

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use ILIKE, which a trigram index can answer."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" ILIKE ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use LIKE for ASCII terms. For others use a function of ours, because LIKE ignores case in ASCII only."""
        if self.term.isascii():
            template = "(%(expressions)s ESCAPE '\\')"
            return self.as_sql(compiler, connection, template=template, arg_joiner=" LIKE ", **context)
        lowered = self.copy()
        lowered.set_source_expressions([self.source_expressions[0], Value(self.term.lower(), TextField())])
        return lowered.as_sql(compiler, connection, function="systemlog_has_term", **context)


class BeginsWith(Func):
    """Whether the text begins with `prefix`, in the same case. Django's `startswith` ignores case on SQLite."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, expression: str, prefix: str) -> None:
        super().__init__(F(expression), Value(_pattern(prefix), TextField()))
        self.prefix = prefix

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use LIKE, whose selectivity the planner can estimate."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" LIKE ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use GLOB, which an index can answer."""
        globbing = self.copy()
        pattern = re.sub(r"([*?\[])", r"[\1]", self.prefix) + "*"
        globbing.set_source_expressions([self.source_expressions[0], Value(pattern, TextField())])
        return globbing.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" GLOB ", **context)


class ContextHolds(Func):
    """Whether the JSON object contains all members of `wanted`, also nested ones, like PostgreSQL's `@>`."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, expression: str, wanted: dict[str, Any]) -> None:
        super().__init__(F(expression), Value(json.dumps(wanted), TextField()))
        self.words = sorted(words_of(wanted))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use the operator that the GIN index on `context` answers."""
        return self.as_sql(compiler, connection, template="(%(expressions)s::jsonb)", arg_joiner=" @> ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Call a function of ours for each row in whose text SQLite itself has found the necessary words."""
        held, held_params = self.as_sql(compiler, connection, function="systemlog_json_contains", **context)
        document, params = compiler.compile(self.source_expressions[0])
        if not self.words:
            return held, held_params
        # CASE, because SQLite does not promise in which order AND is evaluated.
        has_words = " AND ".join([f"instr({document}, %s)"] * len(self.words))
        sql = f"CASE WHEN ({has_words}) OR instr({document}, %s) THEN {held} ELSE 0 END"
        words = [each for word in self.words for each in (*params, word)]
        return sql, (*words, *params, ESCAPE, *held_params)


def _pattern(text: str) -> str:
    """Return the pattern of LIKE for texts that begin with `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def words_of(wanted: Any) -> set[str]:
    """Return words that occur in the JSON text of every object that contains `wanted`, if the text has no `ESCAPE`.

    Numbers are not included, because JSON can write the same number in many ways.
    """
    if isinstance(wanted, dict):
        if UNREADABLE in wanted:  # text that is not JSON is read as an object with this key
            return set()
        return {word for name, member in wanted.items() for word in words_of(name) | words_of(member)}
    if isinstance(wanted, list):
        return {word for each in wanted for word in words_of(each)}
    return {wanted} if isinstance(wanted, str) and _is_plain(wanted) else set()


class TimeText(Func):
    """An instant in RFC 3339 format, in UTC, with microseconds."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Format it in the database, so that the driver does not create an object."""
        template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Call a function of ours, which knows the time zone of the stored text."""
        return self.as_sql(compiler, connection, function="systemlog_time_text", **context)


class IdText(Func):
    """A UUID as text, with dashes."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Cast the UUID to text."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Insert the dashes, which SQLite's stored text does not have."""
        dashed = " || '-' || ".join(f"substr(%(expressions)s, {start}, {length})" for start, length in UUID_PARTS)
        return self.as_sql(compiler, connection, template=f"({dashed})", **context)


class BinStart(Func):
    """The start of the bin of `seconds` seconds that contains an instant. Days begin at midnight, weeks on Monday."""

    output_field = DateTimeField()

    def __init__(self, expression: str, seconds: int) -> None:
        super().__init__(F(expression))
        self.seconds = int(seconds)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Use date_bin() from the first day of the calendar on, which is a Monday."""
        template = f"date_bin('{self.seconds} seconds', %(expressions)s, '0001-01-01 00:00+00')"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Compute the start of the bin from the seconds since that day."""
        epoch = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        start = f"{epoch} - ({epoch} + {SECONDS_BEFORE_1970}) %%%% {self.seconds}"
        template = f"strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%S', {start}, 'unixepoch')"
        sql, params = self.as_sql(compiler, connection, template=template, **context)
        return sql, (*params, *params)


class KeyCompared(Func):
    """Compares a record's key `(timestamp, id)` with another key, as one row comparison (`<` or `>`)."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, operator: str, timestamp: Any, record_id: Any) -> None:
        super().__init__(F("timestamp"), F("id"), timestamp, record_id)
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]  # Django's has more parameters
        """Return `(timestamp, id) < (…, …)`, which both databases answer from the index of the key."""
        compiled = [compiler.compile(expression) for expression in self.source_expressions]
        (at, key, other_at, other_key) = (sql for sql, _ in compiled)
        params = [param for _, params in compiled for param in params]
        return f"(({at}, {key}) {self.operator} ({other_at}, {other_key}))", params
