"""The endpoint for systemd-journal-upload, which sends entries of the journal export format in an endless body.

No entry is refused for its content: the client exits after any error, and sends the same entry again when it restarts.
"""

from __future__ import annotations

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
    take_text,
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
        """Store the entries as they arrive."""
        maker = self.writer(request)
        check_media_type(request, MEDIA_TYPE)
        with Lines(maker) as lines:
            for entry in read_entries(read_pieces(request, max_sent=None, max_decoded=None)):
                lines.add(line_of(entry, maker))
        return HttpResponse("OK.", content_type="text/plain; charset=utf-8", status=202)


def line_of(entry: Entry, maker: LineMaker) -> bytes:
    """Return the line of an entry's record."""
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
    category = take_text(fields, "SYSLOG_IDENTIFIER", "_COMM")
    source = take_text(fields, "_HOSTNAME")
    trace_id = take_text(fields, "TRACE_ID")
    correlation_id = take_text(fields, "CORRELATION_ID", "REQUEST_ID")
    if instant_us is None or instant_us > maker.latest_us:
        instant_us = None
        if sent:
            put_aside(context, TIME, sent)
    if entry.truncated:
        put_aside(context, TRUNCATED, entry.truncated)
    return maker.make(
        instant_us=instant_us,
        identity=maker.digest(cursor.encode("utf-8", "replace")).digest() if isinstance(cursor, str) else None,
        level=level,
        category=category,
        source=source,
        message=message if isinstance(message, str) else "\n".join(message),
        correlation_id=correlation_id,
        user_id=None,
        trace_id=trace_id,
        context=context,
    )
