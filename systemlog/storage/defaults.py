"""Column defaults in the database, so that plain SQL can insert a record.

On SQLite in the very format that Django writes: text is compared there, and a timestamp of another shape would
break the order, and with it every page. A `%` is written four times: Django formats the text twice, once for the
expression and once for the statement.
"""

from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, Func, UUIDField


class NowText(Func):
    """The present instant, as the `timestamp` column stores it."""

    output_field = DateTimeField()
    arity = 0
    template = "now()"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Django's own text: six digits of microseconds, or none where they are zero."""
        text = "replace(strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'now'), '.000000', '')"
        return self.as_sql(compiler, connection, template=text, **context)


class MintedId(Func):
    """A UUIDv7 of the same instant as `NowText` (see systemlog.records.ids for its layout)."""

    output_field = UUIDField()
    arity = 0
    template = (
        "(lpad(to_hex((extract(epoch from now()) * 1000000)::bigint / 1000), 12, '0') || '7'"
        " || lpad(to_hex((mod((extract(epoch from now()) * 1000000)::bigint, 1000) * 4096 + 999) / 1000), 3, '0')"
        " || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid"
    )

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """32 hexadecimal digits, as Django stores a UUID; SQLite's clock has milliseconds."""
        # unixepoch('subsec') is younger than SQLite 3.42; julianday() is exact to the millisecond.
        text = (
            "(printf('%%%%012x', CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) || '7000'"
            " || '8' || substr(lower(hex(randomblob(8))), 2))"
        )
        return self.as_sql(compiler, connection, template=text, **context)
