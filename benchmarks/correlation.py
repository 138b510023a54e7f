"""Measures the cost of correlation middleware per request: ours, the peers', and a minimal one.

    pip install -r requirements.txt -r benchmarks/requirements.txt
    python benchmarks/correlation.py [--rounds 150]

It uses one process, a trivial view, and Django's WSGI and ASGI handlers without a server. The variants take turns in
short batches, so that other load on the machine slows all of them equally. A figure is µs of processor time per request
more than a handler without middleware takes: the median of the differences to that handler in the same round. The ratio
behind the figure is to the minimal middleware with a new id.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import logging
import operator
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import django
from asgi_correlation_id import CorrelationIdMiddleware
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BATCH = 20
WARM_UP_ROUNDS = 3

OURS = "systemlog.correlation.CorrelationMiddleware"
FLOOR = f"{__name__}.floor"
GUID = "8c9bd8d4-1b1e-4c9f-9b0a-0d7f3c1d2e4f"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

VARIANTS: dict[str, tuple[list[str], dict[str, object]]] = {
    "no middleware": ([], {}),
    "the floor": ([FLOOR], {}),
    "systemlog": ([OURS], {}),
    "systemlog, access record": ([OURS], {"ACCESS_LOG": True}),
    "django-guid": (["django_guid.middleware.guid_middleware"], {}),
    "django-log-request-id": (["log_request_id.middleware.RequestIDMiddleware"], {}),
    "django-structlog": (["django_structlog.middlewares.RequestMiddleware"], {}),
    "asgi-correlation-id": ([], {}),
    "OpenTelemetry": (["opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"], {}),
}

SCENARIOS: dict[str, dict[str, str]] = {
    "new id": {},
    "new id and trace": {"traceparent": TRACE, "tracestate": "vendor=1"},
    "incoming id": {"X-Request-ID": GUID},
    "incoming id and trace": {"X-Request-ID": GUID, "traceparent": TRACE, "tracestate": "vendor=1"},
}

_floor_id: ContextVar[str | None] = ContextVar("floor", default=None)


@sync_and_async_middleware
def floor(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """A minimal hand-written middleware: no rule for the id, no trace, no user, no stream."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            given = request.META.get("HTTP_X_REQUEST_ID") or str(uuid.uuid4())
            token = _floor_id.set(given)
            try:
                response = await get_response(request)
            finally:
                _floor_id.reset(token)
            response["X-Request-ID"] = given
            return response

    else:

        def middleware(request: HttpRequest) -> HttpResponse:
            given = request.META.get("HTTP_X_REQUEST_ID") or str(uuid.uuid4())
            token = _floor_id.set(given)
            try:
                response = get_response(request)
            finally:
                _floor_id.reset(token)
            response["X-Request-ID"] = given
            return response

    return middleware


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


urlpatterns = [path("wsgi", view), path("asgi", async_view)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=150, help=f"how often each variant has its turn of {BATCH} requests"
    )
    rounds = parser.parse_args().rounds
    configure()
    print(f"Python {sys.version.split()[0]}, Django {django.__version__}; µs a request above no middleware\n")
    print_table("WSGI, sync view", asyncio.run(measure_wsgi(rounds)))
    print_table("ASGI, async view", asyncio.run(measure_asgi(rounds)))


def configure() -> None:
    settings.configure(
        SECRET_KEY="of-the-benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django_guid", "django_structlog"],
        MIDDLEWARE=[],
        LOGGING_CONFIG=None,
        SYSTEMLOG={},
        DJANGO_GUID={"GUID_HEADER_NAME": "X-Request-ID", "VALIDATE_GUID": True},
        LOG_REQUEST_ID_HEADER="HTTP_X_REQUEST_ID",
        GENERATE_REQUEST_ID_IF_NOT_IN_HEADER=True,
        REQUEST_ID_RESPONSE_HEADER="X-Request-ID",
    )
    django.setup()
    # Records are created and handled, but not written, because the cost of writing belongs to the handler.
    root = logging.getLogger()
    root.addHandler(logging.NullHandler())
    root.setLevel(logging.INFO)
    import structlog

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    from opentelemetry import trace
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    DjangoInstrumentor().instrument()  # gives its middleware a tracer


Batch = Callable[[Any, dict[str, str]], Awaitable[float]]
Times = dict[tuple[str, str], list[float]]


async def measure_wsgi(rounds: int) -> Times:
    """Send each request through Django's WSGI handler."""
    handlers: dict[str, Any] = {}
    for name, (middleware, _) in VARIANTS.items():
        if name != "asgi-correlation-id":
            with override_settings(MIDDLEWARE=middleware):
                handlers[name] = WSGIHandler()

    async def batch(handler: Any, headers: dict[str, str]) -> float:
        first, *environs = [wsgi_environ(headers) for _ in range(BATCH + 1)]
        handler(first, no_start_response).close()  # reads the settings again, which were changed for this turn
        started = time.process_time()
        for environ in environs:
            handler(environ, no_start_response).close()
        return (time.process_time() - started) / BATCH * 1e6

    return await in_turns(handlers, batch, rounds)


async def measure_asgi(rounds: int) -> Times:
    """Send each request through the steps of Django's ASGI handler, except for its two hops into threads.

    These hops (waiting for a disconnect, closing the response) cost a millisecond, the same for every variant. Their
    noise alone is larger than the cost of a middleware.
    """
    handlers: dict[str, Any] = {}
    for name, (middleware, _) in VARIANTS.items():
        with override_settings(MIDDLEWARE=middleware):
            handlers[name] = asgi_application(ASGIHandler())
    handlers["asgi-correlation-id"] = CorrelationIdMiddleware(handlers["asgi-correlation-id"])

    async def batch(handler: Any, headers: dict[str, str]) -> float:
        first, *scopes = [asgi_scope(headers) for _ in range(BATCH + 1)]
        await handler(first, no_receive, no_send)
        started = time.process_time()
        for scope in scopes:
            await handler(scope, no_receive, no_send)
        return (time.process_time() - started) / BATCH * 1e6

    return await in_turns(handlers, batch, rounds)


def asgi_application(handler: ASGIHandler) -> Callable[..., Awaitable[None]]:
    async def application(scope: dict[str, Any], receive: object, send: Any) -> None:
        request = ASGIRequest(scope, io.BytesIO())
        await handler.send_response(await handler.get_response_async(request), send)

    return application


async def in_turns(handlers: dict[str, Any], batch: Batch, rounds: int) -> Times:
    times: Times = {}
    for number in range(rounds + WARM_UP_ROUNDS):
        gc.collect()
        for scenario, headers in SCENARIOS.items():
            for name, handler in turns(handlers, number):
                with override_settings(SYSTEMLOG=VARIANTS[name][1]):
                    taken = await batch(handler, headers)
                if number >= WARM_UP_ROUNDS:
                    times.setdefault((name, scenario), []).append(taken)
    return times


def turns(handlers: dict[str, Any], number: int) -> list[tuple[str, Any]]:
    """Return the variants, starting with another one in each round."""
    named = list(handlers.items())
    start = number % len(named)
    return named[start:] + named[:start]


def wsgi_environ(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/wsgi",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }


def asgi_scope(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/asgi",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "headers": [(b"host", b"testserver")]
        + [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }


async def no_receive() -> dict[str, Any]:
    """No request here has a body."""
    raise AssertionError


async def no_send(message: dict[str, Any]) -> None:
    """The response goes nowhere."""


def no_start_response(status: str, headers: list[tuple[str, str]]) -> None:
    """The response goes nowhere."""


def cost(times: Times, name: str, scenario: str) -> float:
    """Return the cost of a middleware: the median of its differences to no middleware, each within one round."""
    return statistics.median(map(operator.sub, times[name, scenario], times["no middleware", scenario]))


def print_table(title: str, times: Times) -> None:
    print(f"{title:28}" + "".join(f"{scenario:>24}" for scenario in SCENARIOS))
    floor_cost = cost(times, "the floor", "new id")
    for name in (name for name in VARIANTS if (name, "new id") in times):
        cells = []
        for scenario in SCENARIOS:
            if name == "no middleware":
                cells.append(f"({statistics.median(times[name, scenario]):.1f} in all)")
            else:
                own = cost(times, name, scenario)
                cells.append(f"{own:.1f}  {own / floor_cost:6.2f} x")
        print(f"{name:28}" + "".join(f"{cell:>24}" for cell in cells))
    print()


if __name__ == "__main__":
    main()
