"""Compares probes and metrics with a bare view, django-health-check and django-prometheus.

    pip install django-health-check django-prometheus    # the peers; without them their rows are left out
    python benchmarks/health.py

Each case runs in its own process, as one WSGI application in one thread, without network. So only Django and the code
in question are measured. In each process the case takes turns with the bare view, a millisecond each. The best time of
each counts, so that other load on the machine matters little. The processes take turns for several rounds, and the
printed figures are medians of the rounds.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ROUNDS = 5
BATCHES = 400
BATCH_S = 0.001
WORKERS = 4
SERIES = 200

HEALTH = ["health.middleware.HealthMiddleware"]
PROMETHEUS = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

CASES = {
    "live": (HEALTH, "/system-health/live", {}),
    "ready": (HEALTH, "/system-health/ready", {}),
    "ready, nothing cached": (HEALTH, "/system-health/ready", {"CACHE_S": 0}),
    "django-health-check": ([], "/peer", {}),
    "measured": (HEALTH, "/bare", {}),
    "django-prometheus": (PROMETHEUS, "/bare", {}),
}
NEEDS = {"django-health-check": "health_check", "django-prometheus": "django_prometheus"}


def main() -> None:
    """Run every case in turn, and print the table."""
    names = [name for name in CASES if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    scrapes_us = []
    for _ in range(ROUNDS):
        for name in names:
            pairs[name].append(run(name))
        scrapes_us.append(run("scrape")[1])
    print(f"{'':28}{'bare, µs':>12}{'µs':>10}{'times':>8}{'added, µs':>12}")
    for name, measured in pairs.items():
        bare = statistics.median(bare for bare, _ in measured)
        took = statistics.median(took for _, took in measured)
        times = statistics.median(took / bare for bare, took in measured)
        added = statistics.median(took - bare for bare, took in measured)
        print(f"{name:28}{bare:12.1f}{took:10.1f}{times:8.2f}{added:12.1f}")
    print(f"\na scrape of {SERIES} series over {WORKERS} workers takes {statistics.median(scrapes_us) / 1000:.2f} ms")


def run(name: str) -> tuple[float, float]:
    """Return the microseconds of the bare view and of the case, measured in turns in a new process."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.health", name],
            cwd=PROJECT,
            env={
                **os.environ,
                "BENCHMARK_FOLDER": folder,
                "PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}",
            },
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    bare, took = json.loads(done.stdout)
    return bare, took


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """Return the microseconds of each call: the best of its batches, which take turns with those of other calls."""
    sizes = []
    for call in calls:
        for _ in range(100):
            call()
        began = time.perf_counter()
        call()
        sizes.append(max(1, int(BATCH_S / (time.perf_counter() - began))))
    best = [math.inf] * len(calls)
    for _ in range(BATCHES):
        for number, call in enumerate(calls):
            best[number] = min(best[number], _mean_us(call, sizes[number]))
    return best


def _mean_us(call: Callable[[], object], size: int) -> float:
    began = time.perf_counter()
    for _ in range(size):
        call()
    return (time.perf_counter() - began) / size * 1e6


def measure_request(name: str, folder: Path) -> list[float]:
    """Send requests through the WSGI application of the case, in turns with that of the bare view."""
    middleware, path, health = CASES[name]
    if middleware is PROMETHEUS:
        (folder / "metrics").mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics")
    else:
        from health.metrics.multiprocess import share

        share(folder / "metrics")
    configure(health, folder)
    return in_turns(requests_to([], "/bare"), requests_to(middleware, path))


def requests_to(middleware: list[str], path: str) -> Callable[[], None]:
    """Return a function that sends one request through an application with these middlewares."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    settings.MIDDLEWARE = middleware
    application = get_wsgi_application()

    def request() -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        environ |= {"wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "HTTP_ACCEPT": "application/json"}
        response = application(environ, lambda status, headers: None)
        assert response.status_code == 200, response.content
        response.close()

    return request


def configure(health: dict[str, object], folder: Path) -> None:
    """Set up a project with a bare view."""
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}},
        HEALTH=health,
        INSTALLED_APPS=["health"],
        ROOT_URLCONF=__name__,
    )
    django.setup()
    from django.db import connection
    from django.http import HttpResponse
    from django.urls import path

    connection.ensure_connection()
    urlpatterns.append(path("bare", lambda request: HttpResponse("ok")))
    if importlib.util.find_spec("health_check"):
        from health_check.views import HealthCheckView

        urlpatterns.append(path("peer", HealthCheckView.as_view(checks=["health_check.Database"])))


def measure_scrape(folder: Path) -> list[float]:
    """Measure scrapes in one of several workers that share their numbers, in turns with doing nothing."""
    from health.metrics.multiprocess import share

    share(folder / "metrics")
    configure({}, folder)
    from prometheus_client import Counter

    from health.metrics.exposition import prometheus_text

    counter = Counter("benchmark", "Series to be scraped.", ["number"])
    workers = []
    for _ in range(WORKERS):
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            for number in range(SERIES):
                counter.labels(str(number)).inc()
            os.write(writer, b".")
            os.close(writer)
            signal.pause()
        workers.append(pid)
        os.read(reader, 1)
    text, _ = prometheus_text(details=False)
    assert sum(not line.startswith(b"#") for line in text.splitlines()) >= SERIES
    took = in_turns(lambda: None, lambda: prometheus_text(details=False))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    return took


urlpatterns: list[object] = []

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        folder = Path(os.environ["BENCHMARK_FOLDER"])
        print(json.dumps(measure_scrape(folder) if sys.argv[1] == "scrape" else measure_request(sys.argv[1], folder)))
