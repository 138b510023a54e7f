"""The middleware. It applies the policies by address, and writes the headers of all policies.

It stands after ProblemMiddleware and before sessions and authentication, so that a flood of bad tokens costs no query.
Probes are answered before it (`health.middleware`), and static files are never limited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.limits.admission import admit, counts_of
from systemlog.limits.guard import guard
from systemlog.limits.headers import Count, write_headers
from systemlog.limits.policies import NONE, policies
from systemlog.limits.refusal import may_block, refusal
from systemlog.limits.refusals import refusals
from systemlog.problems import ProblemException

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class LimitMiddleware:
    """Applies the policies by `ip`, sync and async. Async, it needs a thread only if the store is on another host."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        static = settings.STATIC_URL or ""
        self._static = static if static.startswith("/") and len(static) > 1 else None
        self._has_begun = False
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Admit the request, or refuse it."""
        if self._is_async:
            return self._call_async(request)
        in_force = policies()
        # `_is_free` inline, because every request runs this
        if in_force is NONE or (self._static is not None and request.path.startswith(self._static)):
            return self.get_response(request)
        if not self._has_begun:
            self._begin()
        counts: list[Count] = []
        request._systemlog_limits = counts  # type: ignore[attr-defined]  # `COUNTS`; `setattr` and `__dict__` are slower
        try:
            admit(request, in_force.by_address, counts)
        except ProblemException as exc:
            response = refusal(request, exc)
        else:
            response = self.get_response(request)  # type: ignore[assignment]  # sync here
        if counts:
            write_headers(response, counts)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        in_force = policies()
        if in_force is NONE or self._is_free(request):
            return await self.get_response(request)  # type: ignore[misc, no-any-return]  # async here
        if not self._has_begun:
            self._begin()
        counts = counts_of(request)
        try:
            await _admit_async(request, counts)
        except ProblemException as exc:
            if may_block(request):
                response = await sync_to_async(refusal)(request, exc)
            else:
                response = refusal(request, exc)
        else:
            response = await self.get_response(request)  # type: ignore[misc]  # async here
        if counts:
            write_headers(response, counts)
        return response

    def _begin(self) -> None:
        self._has_begun = True
        refusals.resume()

    def _is_free(self, request: HttpRequest) -> bool:
        """Whether the request is for a static file."""
        return self._static is not None and request.path.startswith(self._static)


async def _admit_async(request: HttpRequest, counts: list[Count]) -> None:
    by_address = policies().by_address
    if guard().is_remote:
        await sync_to_async(admit, thread_sensitive=False)(request, by_address, counts)
    else:
        admit(request, by_address, counts)
