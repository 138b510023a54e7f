"""Compares rate limits with DRF's throttles, django-ratelimit and limits.

    pip install django-ratelimit limits     # the peers; without them their rows are left out
    DATABASE_URL=postgres://… python benchmarks/limits.py     # without it, the rows of PostgreSQL are left out

The rows of Redis need an installed `redis-server`. First, four processes ask for the same key for three seconds, with
a limit of 100 a minute: GCRA allows 105 requests in that time, and windows allow 100. Then requests pass through all of
Django as one WSGI application without network, in turns with a bare view. The best time of each counts, so that other
load on the machine matters little.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
sys.path[0] = str(PROJECT)  # and not this folder, whose "limits" is this file

PROCESSES = 4
SECONDS = 3.0
BATCHES = 300
BATCH_S = 0.001
ROUNDS = 5

STORES = {
    "ours, shared": ("ours", "shared"),
    "ours, SQLite": ("ours", "database"),
    "ours, PostgreSQL": ("ours", "database"),
    "ours, Redis": ("ours", "redis"),
    "DRF throttle, LocMem": ("drf", "locmem"),
    "DRF throttle, files": ("drf", "files"),
    "DRF throttle, SQLite cache": ("drf", "database"),
    "DRF throttle, PostgreSQL cache": ("drf", "database"),
    "DRF throttle, Redis": ("drf", "redis"),
    "django-ratelimit, LocMem": ("ratelimit", "locmem"),
    "django-ratelimit, SQLite cache": ("ratelimit", "database"),
    "django-ratelimit, PostgreSQL cache": ("ratelimit", "database"),
    "django-ratelimit, Redis": ("ratelimit", "redis"),
    "limits, memory, moving window": ("limits", "memory"),
    "limits, Redis, moving window": ("limits", "redis"),
}
REQUESTS = ("ours", "drf", "ratelimit")
NEEDS = {"ratelimit": "django_ratelimit", "limits": "limits"}


def main() -> None:
    """Run all cases, and print two tables."""
    with tempfile.TemporaryDirectory(prefix="limits-") as folder, _redis() as redis_url:
        print(f"| store, 100 a minute, {PROCESSES} processes for {SECONDS:g} s | passed | µs a call, alone |")
        print("| --- | --- | --- |")
        for name, (kind, _store) in STORES.items():
            if not _can(name, kind, redis_url):
                continue
            given = {"case": name, "folder": folder, "redis": redis_url, "key": ".".join(map(str, os.urandom(4)))}
            passed, us = _hammer(given)
            print(f"| {name} | {passed} | {us:.1f} |", flush=True)
        print("\n| a request | µs above a bare view |\n| --- | --- |")
        for kind in REQUESTS:
            if kind in NEEDS and not importlib.util.find_spec(NEEDS[kind]):
                continue
            given = {"case": next(name for name, (of, _) in STORES.items() if of == kind), "folder": folder}
            taken = [float(_child("request", {**given, "redis": "", "key": "192.0.2.2"})) for _ in range(ROUNDS)]
            print(f"| {given['case']} | {statistics.median(taken):.1f} |", flush=True)


def _can(name: str, kind: str, redis_url: str) -> bool:
    if kind in NEEDS and not importlib.util.find_spec(NEEDS[kind]):
        return False
    return not (("Redis" in name and not redis_url) or ("PostgreSQL" in name and not os.environ.get("DATABASE_URL")))


def _hammer(given: dict[str, Any]) -> tuple[int, float]:
    us = float(_child("alone", {**given, "key": "192.0.2.1"}))
    command = [sys.executable, __file__, "hammer", json.dumps(given)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": PROJECT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate()[0]) for process in processes), us


def _child(what: str, given: dict[str, Any]) -> str:
    command = [sys.executable, __file__, what, json.dumps(given)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT).stdout


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield ""
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


# -- in the process of a case


def set_up(given: dict[str, Any]) -> tuple[str, str]:
    """Set up Django for the case, and return the kind and the store of the case."""
    import django
    from django.conf import settings

    name, folder = given["case"], Path(given["folder"])
    kind, store = STORES[name]
    if "PostgreSQL" in name:
        from ops_platform.environment import database

        default = database(os.environ["DATABASE_URL"])
    else:
        default = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "db.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    backends = {
        "locmem": ("django.core.cache.backends.locmem.LocMemCache", name),
        "files": ("django.core.cache.backends.filebased.FileBasedCache", str(folder / "cache")),
        "database": ("django.core.cache.backends.db.DatabaseCache", "benchmark_cache"),
        "redis": ("django.core.cache.backends.redis.RedisCache", given["redis"]),
    }
    backend, location = backends.get(store, backends["locmem"])
    settings.configure(
        SECRET_KEY="of-the-benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": default},
        CACHES={"default": {"BACKEND": backend, "LOCATION": location}},
        USE_TZ=True,
        INSTALLED_APPS=["systemlog"] if kind == "ours" else [],
        MIDDLEWARE=["systemlog.limits.LimitMiddleware"] if kind == "ours" else [],
        SYSTEMLOG={
            "JOURNAL": "memory",
            "LIMITS": [{"name": "ip", "by": "ip", "quota": 10**8, "window": "1m"}],
            "LIMITS_STORE": given["redis"] if store == "redis" else store,
            "LIMITS_DIR": str(folder),
        },
        REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": {"anon": "100/min"}, "UNAUTHENTICATED_USER": None},
        SILENCED_SYSTEM_CHECKS=["django_ratelimit.E003", "django_ratelimit.W001"],
        LOGGING_CONFIG=None,
    )
    django.setup()
    return kind, store


def asker(kind: str, store: str, given: dict[str, Any], quota: int) -> Callable[[], bool]:
    """Return a function that asks once for the key of the case, and returns whether the request was allowed."""
    if store == "database":
        _make_tables(kind)
    if kind == "ours":
        from systemlog.limits.gcra import SECOND_NS, make_rate
        from systemlog.limits.guard import guard

        rate, kept, key = make_rate(quota, 60 * SECOND_NS, quota), guard().store, given["key"].encode().ljust(16)
        return lambda: kept.take(key, rate) >= 0
    if kind == "limits":
        from limits import RateLimitItemPerMinute, storage, strategies

        kept = storage.storage_from_string(given["redis"] if store == "redis" else "memory://")
        limiter, item = strategies.MovingWindowRateLimiter(kept), RateLimitItemPerMinute(quota)
        return lambda: limiter.hit(item, given["key"])
    from django.test import RequestFactory

    request = RequestFactory().get("/", REMOTE_ADDR=given["key"])
    if kind == "ratelimit":
        from django_ratelimit.core import is_ratelimited

        return lambda: not is_ratelimited(request, group="g", key="ip", rate=f"{quota}/m", increment=True)
    from rest_framework.request import Request
    from rest_framework.throttling import AnonRateThrottle

    class Throttle(AnonRateThrottle):
        rate = f"{quota}/min"

    drf_request = Request(request)
    return lambda: Throttle().allow_request(drf_request, None)


def _make_tables(kind: str) -> None:
    from django.core.management import call_command
    from django.db import connection

    if kind == "ours":
        from systemlog.storage.operations import VendorSQL

        migration = importlib.import_module("systemlog.migrations.0004_limit").Migration
        for operation in migration.operations:
            assert isinstance(operation, VendorSQL)
            if operation.vendor == connection.vendor:
                with contextlib.suppress(Exception), connection.cursor() as cursor:  # another one has made it
                    cursor.execute(operation.forwards[0])
    else:
        with contextlib.suppress(Exception):
            call_command("createcachetable", verbosity=0)


def hammer(given: dict[str, Any]) -> None:
    """Run one of the four processes: ask for some seconds, and print how many requests were allowed."""
    ask = asker(*set_up(given), given, 100)
    print("ready", flush=True)
    sys.stdin.readline()
    until, passed = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        with contextlib.suppress(Exception):  # a peer whose database is locked
            passed += ask()
    print(passed)


def alone(given: dict[str, Any]) -> None:
    """Print the µs of an allowed call, the best of many batches."""
    ask = asker(*set_up(given), given, 10**8 if STORES[given["case"]][0] in ("ours", "ratelimit") else 100)
    print(min(_times(ask, 60)) * 1e6)


def request(given: dict[str, Any]) -> None:
    """Print the µs that a request takes more than one to a bare view, each the best of many batches in turns."""
    kind, _ = set_up(given)
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    limited, middleware = get_wsgi_application(), settings.MIDDLEWARE
    settings.MIDDLEWARE = []
    bare = get_wsgi_application()
    settings.MIDDLEWARE = middleware
    paths = {"ours": ("/bare", "/bare"), "drf": ("/drf", "/drf-limited"), "ratelimit": ("/bare", "/ratelimit")}[kind]
    best = [float("inf"), float("inf")]
    for _ in range(BATCHES):
        for place, (application, path) in enumerate(zip((bare, limited), paths, strict=True)):
            best[place] = min(best[place], *_times(lambda: _get(application, path), 1))  # noqa: B023  (called at once)
    print((best[1] - best[0]) * 1e6)


def _times(work: Callable[[], object], batches: int) -> list[float]:
    taken = []
    for _ in range(batches):
        began, calls = time.perf_counter(), 0
        while time.perf_counter() - began < BATCH_S or calls < 5:
            work()
            calls += 1
        taken.append((time.perf_counter() - began) / calls)
    return taken


def _get(application: Any, path: str) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    response = application(environ, lambda status, headers: None)
    assert response.status_code == 200
    response.close()


def __getattr__(name: str) -> Any:
    """Return the URLs, once Django is set up."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.http import HttpResponse
    from django.urls import path
    from rest_framework.response import Response
    from rest_framework.throttling import AnonRateThrottle
    from rest_framework.views import APIView

    class Throttle(AnonRateThrottle):
        rate = "100/s"  # its history stays as long as that of a real limit, and never refuses

        def throttle_success(self) -> bool:
            self.history = self.history[:99]
            return super().throttle_success()

        def allow_request(self, request: Any, view: Any) -> bool:
            self.num_requests = 10**9
            return super().allow_request(request, view)

    class Bare(APIView):
        authentication_classes: list[Any] = []
        permission_classes: list[Any] = []
        throttle_classes: list[Any] = []

        def get(self, request: Any) -> Response:
            return HttpResponse("ok")

    class Limited(Bare):
        throttle_classes = [Throttle]

    patterns = [
        path("bare", lambda request: HttpResponse("ok")),
        path("drf", Bare.as_view()),
        path("drf-limited", Limited.as_view()),
    ]
    if importlib.util.find_spec("django_ratelimit"):
        from django_ratelimit.decorators import ratelimit

        view = ratelimit(key="ip", rate="100000000/m")(lambda request: HttpResponse("ok"))
        patterns.append(path("ratelimit", view))
    return patterns


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        {"hammer": hammer, "alone": alone, "request": request}[sys.argv[1]](json.loads(sys.argv[2]))
