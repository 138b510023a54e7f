"""Answers the probes before anything that can break or be attacked, and measures every other request.

It stands first, or second after the middleware that sets the correlation id: the kubelet asks with the address of
the pod as Host, over plain HTTP, without a session. What is not a path of ours goes on to the application.
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
    """What one path answers, and what it needs for that."""

    route: str
    answer: Callable[[HttpRequest, bool], HttpResponse]
    """Takes the request, and whether its sender may see details."""
    asks: Callable[[], Runner] | None = runner
    """Whose results it needs."""
    knows_readers: bool = True
    """Whether it tells some more than others."""
    guarded: bool = False
    """Whether it is only for those who may see details."""


def endpoints() -> dict[str, Endpoint]:
    """The endpoints by path, with and without trailing slash."""
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
    """The probes and the measuring of requests; sync and async without a hop."""

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
        """Answer a probe, or let the application answer; count it either way."""
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
        # Any name is answered, for the kubelet asks for an address; but HTTP/1.1 asks for one (RFC 9112, section 3.2).
        return responses.refusal(request, 400, "The Host header is missing or empty.", {})
    if request.method not in READING:
        return responses.refusal(request, 405, "This resource is read with GET or HEAD.", {"Allow": ", ".join(READING)})
    details = endpoint.knows_readers and access.may_see_details(request)
    if endpoint.guarded and not details:
        return responses.refusal(request, 401, "Send the token as a bearer token.", {"WWW-Authenticate": "Bearer"})
    response = endpoint.answer(request, details)
    if request.method == "HEAD":
        response.content = b""  # Content-Length stays: it says what a GET would bring
    return response
