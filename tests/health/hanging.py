"""A project of its own for uvicorn: its one probe hangs, and one middleware knows no asynchronous code."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

began = threading.Event()
released = threading.Event()


def hangs() -> None:
    began.set()
    released.wait()


class SyncOnly:
    """As WhiteNoise's middleware is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


def has_begun(request: HttpRequest) -> HttpResponse:
    return HttpResponse("yes" if began.is_set() else "no")


def release(request: HttpRequest) -> HttpResponse:
    released.set()
    return HttpResponse()


urlpatterns = [path("has-begun", has_begun), path("release", release)]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        HEALTH={"PROBES": {"hangs": "tests.health.hanging.hangs"}, "DEADLINE_S": 30},
        INSTALLED_APPS=["health"],
        MIDDLEWARE=["health.middleware.HealthMiddleware", "tests.health.hanging.SyncOnly"],
        ROOT_URLCONF="tests.health.hanging",
    )
    application = get_asgi_application()
