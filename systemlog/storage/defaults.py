"""Column defaults in the database, so that plain SQL can insert a record.

On SQLite they have exactly the format that Django writes, because SQLite compares text: a timestamp in another format
would break the order that pages follow. Each `%` is written four times, because Django formats the text twice: once for
the expression, and once for the statement.
"""

from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, Func, UUIDField


class NowText(Func):
    """The current time in the format of the `timestamp` column."""

    output_field = DateTimeField()
    arity = 0
    template = "now()"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return SQL for the text that Django stores: six digits of microseconds, or none if they are zero."""
        text = "replace(strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'now'), '.000000', '')"
        return self.as_sql(compiler, connection, template=text, **context)


class MintedId(Func):
    """A UUIDv7 of the same instant as `NowText`. `systemlog.records.ids` describes its layout."""

    output_field = UUIDField()
    arity = 0
    template = (
        "(lpad(to_hex((extract(epoch from now()) * 1000000)::bigint / 1000), 12, '0') || '7'"
        " || lpad(to_hex((mod((extract(epoch from now()) * 1000000)::bigint, 1000) * 4096 + 999) / 1000), 3, '0')"
        " || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid"
    )

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return SQL for 32 hexadecimal digits, as Django stores a UUID. SQLite's clock has milliseconds."""
        # unixepoch('subsec') needs SQLite 3.42; julianday() is exact to the millisecond in every version.
        text = (
            "(printf('%%%%012x', CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) || '7000'"
            " || '8' || substr(lower(hex(randomblob(8))), 2))"
        )
        return self.as_sql(compiler, connection, template=text, **context)
