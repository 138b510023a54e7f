"""Measures the cost of an error: `python -m benchmarks.problems [rounds]`.

Microseconds for a 404, a 400 with 20 field errors and a 500, with DRF's default handler, a hand-written dict,
drf-standardized-errors alone, drf-problems (if it is installed) and this package. All run in one process, interleaved;
a figure is the median of the rounds. "handler" is the exception handler and rendering, "request" is everything from
WSGI to the last byte. The ratios are also medians, of the two samples of each round. Times are processor times, so that
other load on the machine matters little. The last line is a request without an error, with and without
ProblemMiddleware.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

ROUNDS = 300
CALLS = 10
CORRELATION = "systemlog.correlation.CorrelationMiddleware"
OURS = "systemlog.problems.ProblemMiddleware"

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "systemlog"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)

import django

django.setup()

from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404
from django.test import RequestFactory, override_settings
from django.urls import include, path
from drf_standardized_errors.handler import exception_handler as standardized
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.views import exception_handler as default

from systemlog.problems import exception_handler as ours

Handler = Callable[[Any, Any], Any]


def handwritten(exc: Exception, context: dict[str, Any]) -> Response:
    """A handler as a project may write it: the body is a dict."""
    status = getattr(exc, "status_code", 404 if isinstance(exc, Http404) else 500)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": "Error",
        "status": status,
        "detail": "Something is wrong.",
        "instance": context["request"].path,
    }
    if isinstance(exc, ValidationError):
        body["errors"] = [
            {"detail": str(detail), "code": detail.code, "pointer": f"#/{field}"}
            for field, details in exc.detail.items()
            for detail in details
        ]
    return Response(body, status=status, content_type="application/problem+json")


HANDLERS: dict[str, Handler] = {"DRF": default, "dict": handwritten, "standardized-errors": standardized, "ours": ours}
if importlib.util.find_spec("drf_problems"):
    from drf_problems.exceptions import exception_handler as drf_problems

    HANDLERS["drf-problems"] = drf_problems
    EXTRA = [path("", include("drf_problems.urls"))]
else:
    EXTRA = []

ERRORS: dict[str, Callable[[], Exception]] = {
    "404": Http404,
    "400, 20 fields": lambda: ValidationError({f"field_{number}": ["This field is required."] for number in range(20)}),
    "500": lambda: ValueError("a secret"),
}


def view(handler: Handler, make: Callable[[], Exception] | None) -> Any:
    """A view that raises, or answers 200."""

    class View(APIView):
        def get_exception_handler(self) -> Handler:
            return handler

        def get(self, request: Request) -> Response:
            if make is not None:
                raise make()
            return Response({"status": "ok"})

        post = get

    return View.as_view()


urlpatterns = [
    *EXTRA,
    *(
        path(f"{name}/{error}/", view(handler, make))
        for name, handler in HANDLERS.items()
        for error, make in {**ERRORS, "200": None}.items()
    ),
]


def rendering(handler: Handler, make: Callable[[], Exception]) -> Callable[[], None]:
    """Run the handler, and render its response with DRF."""
    django_request = RequestFactory().post("/orders/7/")
    django_request.correlation_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
    request = Request(django_request)
    context = {"view": APIView(), "args": (), "kwargs": {}, "request": request}
    renderer = JSONRenderer()

    def call() -> None:
        # A handler answers while the exception is handled.
        try:
            raise make()
        except Exception as exc:  # noqa: BLE001  (what a view does)
            response = handler(exc, context)
        if isinstance(response, Response):
            response.accepted_renderer = renderer
            response.accepted_media_type = "application/json"
            response.renderer_context = {}
            response.render()

    return call


def whole(application: WSGIHandler, where: str) -> Callable[[], None]:
    """Send a whole request."""
    environ = RequestFactory()._base_environ(PATH_INFO=where, REQUEST_METHOD="POST")

    def call() -> None:
        response = application({**environ, "wsgi.input": io.BytesIO()}, lambda *_: None)
        for _ in response:
            pass
        response.close()

    return call


def application(*middlewares: str) -> WSGIHandler:
    """Set up Django with these middlewares."""
    with override_settings(MIDDLEWARE=middlewares):
        return WSGIHandler()


def measure(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Return the microseconds of processor time per call, by name: one sample from each round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    turns = list(calls.items())
    for _ in range(rounds):
        turns.reverse()  # so that a case does not always follow the same one
        for name, call in turns:
            began = time.thread_time()
            for _ in range(CALLS):
                call()
            times[name].append((time.thread_time() - began) / CALLS * 1e6)
    return times


def ratio(found: dict[str, list[float]], name: str, other: str) -> str:
    """Return the ratio of the first time to the other."""
    if other not in found:
        return f"{'-':>10}"
    return f"{statistics.median(a / b for a, b in zip(found[name], found[other], strict=True)):>10.2f}"


def main() -> None:
    """Print the tables."""
    logging.disable()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    plain, guarded = application(CORRELATION), application(CORRELATION, OURS)
    print(f"{'µs':24}" + "".join(f"{name:>20}" for name in HANDLERS) + "   ours/dict  ours/DRF")
    for error, make in ERRORS.items():
        # Without a response, DRF raises again, and Django's answer is a page.
        able = {name: handler for name, handler in HANDLERS.items() if error != "500" or name != "DRF"}
        parts = {
            f"{error}, handler": {name: rendering(handler, make) for name, handler in able.items()},
            f"{error}, request": {
                name: whole(guarded if name == "ours" else plain, f"/{name}/{error}/") for name in HANDLERS
            },
        }
        for title, calls in parts.items():
            found = measure(calls, rounds)
            cells = "".join(
                f"{statistics.median(found[name]):>20.1f}" if name in found else f"{'-':>20}" for name in HANDLERS
            )
            print(f"{title:24}{cells}  {ratio(found, 'ours', 'dict')}{ratio(found, 'ours', 'DRF')}")
    found = measure({"with": whole(guarded, "/ours/200/"), "without": whole(plain, "/ours/200/")}, rounds * 3)
    with_it, without = statistics.median(found["with"]), statistics.median(found["without"])
    print(
        f"\n200, request: {with_it:.1f} µs with ProblemMiddleware, {without:.1f} without:"
        f"{ratio(found, 'with', 'without')} times"
    )


if __name__ == "__main__":
    main()
