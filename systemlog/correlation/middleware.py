"""The outermost middleware: sets the correlation of each request, and the X-Request-ID header of each response."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.conf import conf
from systemlog.correlation import access_log, streaming, tracecontext
from systemlog.correlation.context import Correlation, _current
from systemlog.correlation.ids import is_acceptable, new_id
from systemlog.correlation.outgoing import HEADER
from systemlog.correlation.trusted_proxies import ALL, is_trusted

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

EXPOSE_HEADERS = "Access-Control-Expose-Headers"


class CorrelationMiddleware:
    """Uses the `X-Request-ID` of the request if its client is trusted and the id is acceptable, else makes a new id.

    Works under WSGI and ASGI, and does not change threads. The context variable is reset when the request leaves this
    middleware. Django does two things after that, which would lack the correlation, so the middleware does them earlier
    or wraps them: it logs responses with status 400 and above, and it produces the bodies of streaming responses.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Handle the request with its correlation current."""
        if self._is_async:
            return self._answer(request)
        correlation = _begin(request)
        token = _current.set(correlation)
        try:
            response: HttpResponseBase = self.get_response(request)  # type: ignore[assignment]  # sync here
            if response.status_code >= 400:
                _log(request, response)
            _finish(correlation, request, response)
            return response
        finally:
            _current.reset(token)
            correlation.detach()

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        correlation = _begin(request)
        token = _current.set(correlation)
        try:
            response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]  # async here
            if response.status_code >= 400:
                if response.status_code >= 500 and not compat.was_logged(response):
                    # In a thread, as Django does it, because a handler for errors may be slow (mail to the admins).
                    await sync_to_async(_log, thread_sensitive=False)(request, response)
                else:
                    _log(request, response)
            _finish(correlation, request, response)
            return response
        except asyncio.CancelledError:
            if conf().ACCESS_LOG:
                _record(correlation, request, access_log.CLIENT_CLOSED_REQUEST, 0, completed=False)
            raise
        finally:
            _current.reset(token)
            correlation.detach()


def _begin(request: HttpRequest) -> Correlation:
    meta = request.META
    given = meta.get("HTTP_X_REQUEST_ID")
    traceparent = meta.get("HTTP_TRACEPARENT")
    trace = None
    from_client = False
    if given is not None or traceparent is not None:
        trust = conf().CORRELATION_TRUST
        if trust == ALL or is_trusted(trust, meta.get("REMOTE_ADDR", "")):
            from_client = given is not None and is_acceptable(given)
            if traceparent is not None:
                trace = tracecontext.read(traceparent, meta.get("HTTP_TRACESTATE", "")) or tracecontext.start()
    if from_client:
        correlation_id: str = given  # type: ignore[assignment]  # not None then
    else:
        correlation_id = new_id()
        if given is not None:
            # A debug page or a proxying view reads the request's headers, and must find the id that is in force.
            meta["HTTP_X_REQUEST_ID"] = correlation_id
    request.correlation_id = correlation_id  # type: ignore[attr-defined]  # an attribute of ours
    return Correlation(correlation_id, request, from_client, trace)


def _log(request: HttpRequest, response: HttpResponseBase) -> None:
    """Log an error response as Django does, but before Django does, which then does not log it again.

    Django would log it after the outermost middleware, where the correlation is no longer current.
    """
    compat.log_response(request, response)


def _finish(correlation: Correlation, request: HttpRequest, response: HttpResponseBase) -> None:
    """Set the header, replacing one that the view has set, write the access record, and wrap a streaming body."""
    stored = compat.stored_headers(response)  # ids need no check: `is_acceptable` is stricter than Django's
    stored["x-request-id"] = (HEADER, correlation.correlation_id)
    if "access-control-allow-origin" in stored or "access-control-expose-headers" in stored:
        _expose(response)
    recorded = conf().ACCESS_LOG
    if response.streaming and streaming.runs_code(response):
        streaming.accompany(response, correlation, _recorder(correlation, request, response) if recorded else None)
    elif recorded:
        _record(correlation, request, response.status_code, _size(request, response))


def _expose(response: HttpResponseBase) -> None:
    """Allow scripts of other origins to read the X-Request-ID header."""
    exposed = response.headers.get(EXPOSE_HEADERS)
    if exposed is None:
        response.headers[EXPOSE_HEADERS] = HEADER
    elif not {"*", HEADER.lower()} & {name.strip().lower() for name in exposed.split(",")}:
        response.headers[EXPOSE_HEADERS] = f"{exposed}, {HEADER}"


def _record(correlation: Correlation, request: HttpRequest, status: int, size: int, *, completed: bool = True) -> None:
    access_log.record(correlation, request.method or "", request.path, correlation.route, status, size, completed)


def _recorder(correlation: Correlation, request: HttpRequest, response: HttpResponseBase) -> streaming.Ended:
    """Return a function that writes the access record when the body has ended, and does not keep the request alive."""
    return functools.partial(
        access_log.record, correlation, request.method or "", request.path, correlation.route, response.status_code
    )


def _size(request: HttpRequest, response: HttpResponseBase) -> int:
    if request.method == "HEAD":
        return 0
    if response.streaming:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else 0
    return len(getattr(response, "content", b""))
