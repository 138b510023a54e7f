"""The middleware inside which every error becomes a problem. It belongs below correlation and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.problems.error_log import INSIDE_MIDDLEWARE, report
from systemlog.problems.formatting.exception_map import slash_missing
from systemlog.problems.handling.fallback import answer, fill_empty_response, slash_is_missing
from systemlog.problems.handling.hooks import install_hooks
from systemlog.problems.handling.request_bodies import wrap_body
from systemlog.problems.handling.streams import watch
from systemlog.problems.protocol_formats import IN_PROTOCOL_FORMAT, in_protocol_format

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class ProblemMiddleware:
    """Turns every error below it into a problem; `hooks` explains how.

    Works under WSGI and ASGI. Under ASGI a request changes threads only when an error is answered.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        install_hooks()
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Return the response to the request. Never raises, unless DEBUG_PROPAGATE_EXCEPTIONS is on."""
        setattr(request, INSIDE_MIDDLEWARE, True)
        wrap_body(request)
        if self._is_async:
            return self._call_async(request)
        try:
            response = self.get_response(request)
        except (Exception, SystemExit) as exc:  # noqa: BLE001  (`answer` logs it)
            response = answer(request, exc)
        return self._finish(request, response)  # type: ignore[arg-type]  # sync here

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = await self.get_response(request)  # type: ignore[misc]  # async here
        except (Exception, SystemExit) as exc:  # noqa: BLE001  (`answer` logs it)
            response = await sync_to_async(answer)(request, exc)
        if response.status_code >= 400 or slash_is_missing(request, response):
            # In a thread, because logging may block. Successful responses and redirects are not logged.
            return await sync_to_async(self._finish)(request, response)
        return self._finish(request, response)

    def _finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code >= 300:
            if slash_is_missing(request, response):
                response = answer(request, slash_missing())
            if response.status_code >= 400:
                if not hasattr(response, IN_PROTOCOL_FORMAT):
                    response = fill_empty_response(request, response)
                report(request, response)
                response = in_protocol_format(request, response)
        if response.streaming:
            watch(request, response)
        setattr(request, INSIDE_MIDDLEWARE, False)
        return response
