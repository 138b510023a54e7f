"""Logs a stream that breaks after its headers, once and with its request, and makes the server close the connection.

The headers are sent, so the status can no longer change. An exception must leave the iterator: only then does the
server close the connection without the last chunk, and the client knows that the body is incomplete. Servers log that
exception a second time and without the correlation id, so a filter on their loggers drops their record of it.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Iterator

from django.core import signals
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from systemlog.exceptions import SystemLogError
from systemlog.problems.error_log import ACTION, logger
from systemlog.problems.response import correlation_id_of, instance_of


class StreamBroken(SystemLogError, OSError):
    """The iterator of a streaming response raised an exception, which `watch` has logged.

    It is an OSError because gunicorn closes the connection on one. On any other exception gunicorn writes an HTML page
    with status 500, if the stream broke before the first byte of the body.
    """

    def __init__(self) -> None:
        super().__init__(errno.EIO, "The content of a streaming response could not be produced to its end.")


class LoggedBefore(logging.Filter):
    """Drops a server's record of a `StreamBroken`, because `watch` has logged the exception behind it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record but those of a `StreamBroken`."""
        return not (isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], StreamBroken))


_logged_before = LoggedBefore()


def install_filter() -> None:
    """Put the filter on the loggers of gunicorn, uvicorn and hypercorn. Calling this twice has no effect."""
    for name in ("gunicorn.error", "uvicorn.error", "hypercorn.error"):
        logging.getLogger(name).addFilter(_logged_before)


def watch(request: HttpRequest, response: HttpResponseBase) -> None:
    """Log the exceptions of a streaming response's iterator. Does not change file responses, which the server sends."""
    if not isinstance(response, StreamingHttpResponse) or getattr(response, "file_to_stream", None) is not None:
        return
    content = response.streaming_content
    if response.is_async:
        response.streaming_content = _watched_async(request, content)  # type: ignore[arg-type]  # the stubs know no asynchronous content
    else:
        response.streaming_content = _watched(request, content)  # type: ignore[arg-type]  # the stubs know bytes alone


def _watched(request: HttpRequest, content: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from content
    except Exception as exc:  # noqa: BLE001  (whatever the view's iterator raises)
        _report(request, exc)
        raise StreamBroken from None


async def _watched_async(request: HttpRequest, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            yield part
    except Exception as exc:  # noqa: BLE001  (whatever the view's iterator raises)
        _report(request, exc)
        raise StreamBroken from None


def _report(request: HttpRequest, exc: Exception) -> None:
    signals.got_request_exception.send(sender=None, request=request)
    logger.log(
        logging.ERROR,
        "%s %s: the stream broke after its headers",
        request.method,
        instance_of(request),
        exc_info=exc,
        extra={
            "action": ACTION,
            "problem": "broken-stream",
            "correlation_id": correlation_id_of(request),
            "request": request,
        },
    )
