"""The middleware that answers the health endpoints, and measures every request.

It is the first middleware, or the second after CorrelationMiddleware, because the kubelet sends the pod's address as
Host, over plain HTTP and without a session: later middlewares would refuse that. Requests for other paths go on to the
application.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from health import access, responses
from health.conf import conf
from health.draining import drain_on_sigterm, watch
from health.metrics import requests
from health.runner import Runner, collecting, runner

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

READING = ("GET", "HEAD")


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One health endpoint: the function that makes its response, and what that function needs."""

    route: str
    answer: Callable[[HttpRequest, bool], HttpResponse]
    """Takes the request, and whether the client may see details."""
    asks: Callable[[], Runner] | None = runner
    """Returns the runner whose results the answer needs."""
    knows_readers: bool = True
    """Whether clients that may see details get a longer answer."""
    guarded: bool = False
    """Whether only clients that may see details get an answer."""


def endpoints() -> dict[str, Endpoint]:
    """Return the endpoints by path, with and without trailing slash."""
    by_path = {}
    root = conf().PATH
    for endpoint in (
        Endpoint(root, responses.summary),
        Endpoint(f"{root}/live", responses.live, asks=None, knows_readers=False),
        Endpoint(f"{root}/ready", responses.ready),
        Endpoint(f"{root}/startup", responses.startup),
        Endpoint(f"{root}/metrics", responses.metrics, asks=collecting, guarded=conf().METRICS_RESTRICTED),
    ):
        by_path[endpoint.route] = by_path[endpoint.route + "/"] = endpoint
    return by_path


class HealthMiddleware:
    """Answers health endpoints and measures requests. Works in sync and async chains without switching threads."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._endpoints = endpoints()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        drain_on_sigterm()
        watch()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a health endpoint, or pass the request on. Both are measured."""
        if self._is_async:
            return self._call_async(request)
        endpoint = self._endpoints.get(request.path_info)
        began = requests.begin()
        response: HttpResponseBase | None = None
        try:
            response = self.get_response(request) if endpoint is None else self._probe(endpoint, request)  # type: ignore[assignment]  # sync here
            return response  # type: ignore[return-value]  # Django's middleware may be either
        finally:
            requests.finish(request, response, endpoint.route if endpoint else None, began)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        endpoint = self._endpoints.get(request.path_info)
        began = requests.begin()
        response: HttpResponseBase | None = None
        try:
            response = await (self.get_response(request) if endpoint is None else self._probe_async(endpoint, request))  # type: ignore[misc]  # async here
            return response
        finally:
            requests.finish(request, response, endpoint.route if endpoint else None, began)

    def _probe(self, endpoint: Endpoint, request: HttpRequest) -> HttpResponse:
        if endpoint.asks is not None and request.method in READING:
            endpoint.asks().refresh()
        return _reply(endpoint, request)

    async def _probe_async(self, endpoint: Endpoint, request: HttpRequest) -> HttpResponse:
        if endpoint.asks is not None and request.method in READING:
            await endpoint.asks().arefresh()
        if endpoint.knows_readers and access.needs_queries(request):
            return await sync_to_async(_reply)(endpoint, request)
        return _reply(endpoint, request)


def _reply(endpoint: Endpoint, request: HttpRequest) -> HttpResponse:
    if request.META.get("HTTP_HOST") == "":
        # Any host is accepted, because the kubelet sends an address. HTTP/1.1 requires one (RFC 9112, section 3.2).
        return responses.refusal(request, 400, "The Host header is missing or empty.", {})
    if request.method not in READING:
        return responses.refusal(request, 405, "This resource is read with GET or HEAD.", {"Allow": ", ".join(READING)})
    details = endpoint.knows_readers and access.may_see_details(request)
    if endpoint.guarded and not details:
        return responses.refusal(request, 401, "Send the token as a bearer token.", {"WWW-Authenticate": "Bearer"})
    response = endpoint.answer(request, details)
    if request.method == "HEAD":
        response.content = b""  # Content-Length stays: it is that of a GET
    return response
