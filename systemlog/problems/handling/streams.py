"""A stream that breaks after its headers: logged once, with the request it belongs to, and cut.

It is too late for another answer. An exception must leave the iterator, so that the server closes the connection
without the end that makes a body whole; but servers would log it a second time, without the correlation id. It leaves
as a connection error, which gunicorn lets pass in silence; of uvicorn's record a filter knows it.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Iterator

from django.core import signals
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from systemlog.problems.error_log import ACTION, logger
from systemlog.problems.response import correlation_id_of, instance_of


class StreamBroken(ConnectionResetError):
    """The content of a streaming response could not be made to its end."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, type(self).__doc__)


class LoggedBefore(logging.Filter):
    """Drops what an ASGI server says about a stream that `watch` has logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what is about anything else."""
        return not (isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], StreamBroken))


_logged_before = LoggedBefore()


def install_filter() -> None:
    """Put the filter on the loggers of ASGI servers; twice does no harm."""
    for name in ("uvicorn.error", "hypercorn.error"):
        logging.getLogger(name).addFilter(_logged_before)


def watch(request: HttpRequest, response: HttpResponseBase) -> None:
    """See to it that a failure while the content of `response` is made is logged. Files are left to the server."""
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
