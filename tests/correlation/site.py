"""A small project whose views do what is difficult for a correlation: threads, streams, tasks and calls."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path, re_path
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.correlation import annotate, carry, current, get_correlation_id, outgoing_headers
from systemlog.correlation.integrations.httpx import PropagateTo

logger = logging.getLogger("site")

kept_tasks: dict[str, asyncio.Task[str | None]] = {}
released: dict[str, asyncio.Event] = {}


def seen(request: HttpRequest) -> JsonResponse:
    """Return the ids that the code of a view sees."""
    correlation = current()
    logger.info("in the view")
    return JsonResponse(
        {
            "context": get_correlation_id(),
            "request": request.correlation_id,
            "trace_id": correlation and correlation.trace_id,
            "user_id": correlation and correlation.user_id,
        }
    )


async def async_seen(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0)
    return seen(request)


async def through_threads(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {
            "sync_to_async": await sync_to_async(get_correlation_id)(),
            "any_thread": await sync_to_async(get_correlation_id, thread_sensitive=False)(),
            "to_thread": await asyncio.to_thread(get_correlation_id),
        }
    )


def through_a_pool(request: HttpRequest) -> JsonResponse:
    with ThreadPoolExecutor(2) as pool:
        barrier = threading.Barrier(2)

        def work(_: int) -> str | None:
            barrier.wait(5)
            return get_correlation_id()

        carried = list(pool.map(carry(work), range(2)))
        bare = pool.submit(get_correlation_id).result()
    return JsonResponse({"carried": carried, "bare": bare})


async def partitions_a_task(request: HttpRequest) -> HttpResponse:
    name = request.GET["name"]
    released[name] = asyncio.Event()

    async def later() -> str | None:
        await released[name].wait()
        logger.info("long after the response")
        return get_correlation_id()

    kept_tasks[name] = asyncio.create_task(later())
    return HttpResponse()


async def releases_a_task(request: HttpRequest) -> HttpResponse:
    name = request.GET["name"]
    released.pop(name).set()
    await kept_tasks.pop(name)
    return HttpResponse()


def nests(request: HttpRequest) -> JsonResponse:
    inner = Client().get("/seen", headers={"X-Request-ID": "the-inner-one"})
    return JsonResponse({"inner": inner.json()["context"], "outer": get_correlation_id()})


async def async_nests(request: HttpRequest) -> JsonResponse:
    inner = await AsyncClient().get("/async-seen", headers={"X-Request-ID": "the-inner-one"})
    return JsonResponse({"inner": inner.json()["context"], "outer": get_correlation_id()})


def sets_the_header(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"x-request-id": "of-the-view"})


def own_headers(request: HttpRequest) -> JsonResponse:
    """Answer with the id in the request's headers."""
    return JsonResponse({"header": request.headers.get("X-Request-ID")})


def cross_origin(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(headers={"Access-Control-Allow-Origin": "*"})
    if exposed := request.GET.get("exposed"):
        response["access-control-expose-headers"] = exposed
    return response


def refuses(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspects(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("suspicious")


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("failed")


async def async_fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("failed")


def streams(request: HttpRequest) -> StreamingHttpResponse:
    def chunks() -> Iterator[str]:
        try:
            for _ in range(3):
                yield f"{get_correlation_id()}\n"
                if "fail" in request.GET:
                    raise LookupError("in the body")
        finally:
            logger.info("the body is over")

    return StreamingHttpResponse(chunks())


async def async_streams(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield f"{get_correlation_id()}\n"
            if "fail" in request.GET:
                raise LookupError("in the body")

    return StreamingHttpResponse(chunks())


def streams_without_end(request: HttpRequest) -> StreamingHttpResponse:
    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield b"more\n" * 1000
        finally:
            logger.info("the body is over")

    return StreamingHttpResponse(chunks())


async def streams_for_ever(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        try:
            while True:
                yield "more\n"
                await asyncio.sleep(0.01)
        finally:
            logger.info("the body is over")

    return StreamingHttpResponse(chunks())


async def hangs(request: HttpRequest) -> HttpResponse:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets that event")


def sends_a_file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"))


def annotates(request: HttpRequest) -> HttpResponse:
    annotate(order=7)
    annotate(items=3)
    return HttpResponse(b"12345", status=int(request.GET.get("status", 200)))


def item(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse()


def calls_back(request: HttpRequest) -> HttpResponse:
    """Call the given URLs, each with its body, as the W3C trace-context harness asks of a service."""
    with httpx.Client(event_hooks={"request": [PropagateTo(["127.0.0.1"])]}, trust_env=False) as client:
        for call in json.loads(request.body) or []:
            client.post(call["url"], json=call["arguments"])
    return HttpResponse()


async def async_calls_back(request: HttpRequest) -> HttpResponse:
    async with httpx.AsyncClient(event_hooks={"request": [PropagateTo(["127.0.0.1"])]}, trust_env=False) as client:
        for call in json.loads(request.body) or []:
            await client.post(call["url"], json=call["arguments"])
    return HttpResponse()


def goes_out(request: HttpRequest) -> JsonResponse:
    """Answer with the headers that an outgoing call would have."""
    return JsonResponse(outgoing_headers())


class TokenUser:
    """The user of a token, without a model and a table."""

    pk = 42
    is_authenticated = True


class LateAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[TokenUser, None] | None:
        return (TokenUser(), None) if "Authorization" in request.headers else None


class Api(APIView):
    authentication_classes = [LateAuthentication]
    permission_classes = []

    def get(self, request: Request) -> Response:
        correlation = current()
        logger.info("in the view")
        return Response({"user_id": correlation and correlation.user_id})


urlpatterns = [
    path("seen", seen),
    path("async-seen", async_seen),
    path("through-threads", through_threads),
    path("through-a-pool", through_a_pool),
    path("leaves-a-task", partitions_a_task),
    path("releases-a-task", releases_a_task),
    path("nests", nests),
    path("async-nests", async_nests),
    path("sets-the-header", sets_the_header),
    path("headers", own_headers),
    path("cross-origin", cross_origin),
    path("refuses", refuses),
    path("suspects", suspects),
    path("fails", fails),
    path("async-fails", async_fails),
    path("streams", streams),
    path("async-streams", async_streams),
    path("streams-without-end", streams_without_end),
    path("streams-for-ever", streams_for_ever),
    path("hangs", hangs),
    path("calls-back", calls_back),
    path("async-calls-back", async_calls_back),
    path("goes-out", goes_out),
    path("file", sends_a_file),
    path("annotates", annotates),
    path("items/<int:pk>", item),
    re_path(r"^old/v1\.0/(?P<pk>[^/]+)/?\Z", item),
    path("api", Api.as_view()),
]
