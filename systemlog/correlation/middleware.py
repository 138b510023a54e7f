"""The outermost middleware: gives every request its correlation id, and every response the header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.correlation.context import Correlation, _current
from systemlog.correlation.ids import is_acceptable, new_id

HEADER = "X-Request-ID"
META_KEY = "HTTP_X_REQUEST_ID"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class CorrelationMiddleware:
    """Takes the caller's `X-Request-ID` if it is acceptable, else makes a new one; sync and async without a hop."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request with its id in context, request and response."""
        if self._is_async:
            return self._answer(request)
        token = _current.set(_begin(request))
        try:
            return _mark(self.get_response(request), request)  # type: ignore[arg-type]  # sync here
        finally:
            _current.reset(token)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        token = _current.set(_begin(request))
        try:
            return _mark(await self.get_response(request), request)  # type: ignore[misc]  # async here
        finally:
            _current.reset(token)


def _begin(request: HttpRequest) -> Correlation:
    given = request.META.get(META_KEY, "")
    correlation = Correlation(given if is_acceptable(given) else new_id())
    request.correlation_id = correlation.correlation_id  # type: ignore[attr-defined]
    return correlation


def _mark(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    response.headers[HEADER] = request.correlation_id  # type: ignore[attr-defined]
    return response
