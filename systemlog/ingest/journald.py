"""What systemd-journal-upload sends: entries of the journal export format, in a body without an end in sight.

Nothing is refused for what an entry holds: the client ends at any refusal, and comes back with the same entry for ever.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse

from systemlog.ingest.endpoint import Endpoint, Lines, check_media_type
from systemlog.ingest.journal_export import Entry, read_entries
from systemlog.ingest.mapping import (
    CRITICAL,
    DEBUG,
    ERROR,
    INFO,
    NO_MESSAGE,
    WARNING,
    LineMaker,
    put_aside,
)
from systemlog.ingest.streams import read_pieces
from systemlog.journal.serialization import TRUNCATED

MEDIA_TYPE = "application/vnd.fdo.journal"
TIME = "__REALTIME_TIMESTAMP"
LEVEL_OF_PRIORITY = dict(
    zip("01234567", (CRITICAL, CRITICAL, CRITICAL, ERROR, WARNING, INFO, INFO, DEBUG), strict=True)
)


class Journald(Endpoint):
    """`POST /journald/upload`."""

    protocol = "journald"

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take the entries as they come."""
        maker = self.writer(request)
        check_media_type(request, MEDIA_TYPE)
        with Lines(maker) as lines:
            for entry in read_entries(read_pieces(request, max_sent=None, max_decoded=None)):
                lines.add(line_of(entry, maker))
        return HttpResponse("OK.\n", content_type="text/plain; charset=utf-8", status=202)


def line_of(entry: Entry, maker: LineMaker) -> bytes:
    """The level and the line of an entry."""
    fields = entry.fields
    take = fields.pop
    context: dict[str, Any] = fields
    cursor = take("__CURSOR", None)
    sent = take(TIME, "")
    instant_us: int | None = None
    if isinstance(sent, str) and sent.isascii() and sent.isdigit() and len(sent) <= 17:
        instant_us = int(sent)
    message = take("MESSAGE", NO_MESSAGE)
    priority = fields.get("PRIORITY")
    level = LEVEL_OF_PRIORITY.get(priority) if isinstance(priority, str) else None
    if level is None:
        level = INFO
    else:
        del fields["PRIORITY"]
    category = _text(fields, "SYSLOG_IDENTIFIER") or _text(fields, "_COMM")
    source = _text(fields, "_HOSTNAME")
    trace_id = _text(fields, "TRACE_ID")
    correlation_id = _text(fields, "CORRELATION_ID") or _text(fields, "REQUEST_ID")
    if instant_us is None or instant_us > maker.latest_us:
        instant_us = None
        if sent:
            put_aside(context, TIME, sent)
    if entry.truncated:
        put_aside(context, TRUNCATED, entry.truncated)
    return maker.make(
        instant_us=instant_us,
        identity=_identity(maker, cursor) if isinstance(cursor, str) else None,
        level=level,
        category=category,
        source=source,
        message=message if isinstance(message, str) else "\n".join(message),
        correlation_id=correlation_id,
        user_id=None,
        trace_id=trace_id,
        context=context,
    )


def _identity(maker: LineMaker, cursor: str) -> bytes:
    return hashlib.sha256(maker.user + b"\0" + cursor.encode("utf-8", "replace")).digest()


def _text(fields: dict[str, Any], name: str) -> str | None:
    if name in fields and isinstance(value := fields[name], str) and value:
        del fields[name]
        return value
    return None
