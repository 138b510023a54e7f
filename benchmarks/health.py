"""Probes and metrics against a bare view, django-health-check and django-prometheus.

    pip install django-health-check django-prometheus    # the peers; without them their rows are left out
    python benchmarks/health.py

Each case runs in a process of its own, as one WSGI application in one thread, without network: what is measured is
Django and the code in question. The cases take turns for several rounds, and the best of each counts.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ROUNDS = 5
BATCHES = 200
BATCH_S = 0.005
WORKERS = 4
SERIES = 200

HEALTH = ["health.middleware.HealthMiddleware"]
PROMETHEUS = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

CASES = {
    "bare": ([], "/bare", {}),
    "live": (HEALTH, "/system-health/live", {}),
    "ready": (HEALTH, "/system-health/ready", {}),
    "ready, nothing cached": (HEALTH, "/system-health/ready", {"CACHE": 0}),
    "django-health-check": ([], "/peer", {}),
    "measured": (HEALTH, "/bare", {}),
    "django-prometheus": (PROMETHEUS, "/bare", {}),
}
NEEDS = {"django-health-check": "health_check", "django-prometheus": "django_prometheus"}


def main() -> None:
    """Run every case in turn, and print the table."""
    names = [name for name in CASES if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
    best = dict.fromkeys(names, float("inf"))
    for _ in range(ROUNDS):
        for name in names:
            best[name] = min(best[name], run(name))
    scrape_ms = min(run("scrape") for _ in range(ROUNDS)) / 1000
    bare = best["bare"]
    print(f"{'':28}{'µs a request':>14}{'times bare':>12}")
    for name, took_us in best.items():
        print(f"{name:28}{took_us:14.1f}{took_us / bare:12.2f}")
    print(f"\nmetrics add {best['measured'] - bare:.1f} µs a request", end="")
    if "django-prometheus" in best:
        print(f", django-prometheus {best['django-prometheus'] - bare:.1f} µs", end="")
    print(f"\na scrape of {SERIES} series over {WORKERS} workers takes {scrape_ms:.2f} ms")


def run(name: str) -> float:
    """The microseconds of one case, measured in a process of its own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.health", name],
            cwd=PROJECT,
            env={
                **os.environ,
                "BENCHMARK_FOLDER": folder,
                "PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}",
            },
            check=True,
            capture_output=True,
            text=True,
        )
    return float(done.stdout)


def best_us(call: Callable[[], object]) -> float:
    """The shortest mean time of a batch of calls."""
    began = time.perf_counter()
    call()
    size = max(1, int(BATCH_S / (time.perf_counter() - began)))
    best = float("inf")
    for _ in range(BATCHES):
        began = time.perf_counter()
        for _ in range(size):
            call()
        best = min(best, (time.perf_counter() - began) / size)
    return best * 1e6


def measure_request(name: str, folder: Path) -> float:
    """One request through the WSGI application of the case."""
    middleware, path, health = CASES[name]
    if middleware is PROMETHEUS:
        (folder / "metrics").mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics")
    else:
        from health.metrics.shared import share

        share(folder / "metrics")
    application = configure(middleware, health, folder)

    def request() -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        environ |= {"wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "HTTP_ACCEPT": "application/json"}
        response = application(environ, lambda status, headers: None)
        assert response.status_code == 200, response.content
        response.close()

    for _ in range(100):
        request()
    return best_us(request)


def configure(middleware: list[str], health: dict[str, object], folder: Path) -> Callable[..., object]:
    """A project of one view and these middlewares."""
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}},
        HEALTH=health,
        INSTALLED_APPS=["health"],
        MIDDLEWARE=middleware,
        ROOT_URLCONF=__name__,
    )
    django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.http import HttpResponse
    from django.urls import path

    connection.ensure_connection()
    urlpatterns.append(path("bare", lambda request: HttpResponse("ok")))
    if importlib.util.find_spec("health_check"):
        from health_check.views import HealthCheckView

        urlpatterns.append(path("peer", HealthCheckView.as_view(checks=["health_check.Database"])))
    return get_wsgi_application()


def measure_scrape(folder: Path) -> float:
    """One scrape, in one of several workers that share their numbers."""
    from health.metrics.shared import share

    share(folder / "metrics")
    configure([], {}, folder)
    from prometheus_client import Counter

    from health.metrics.exposition import prometheus_text

    counter = Counter("benchmark", "Series to be scraped.", ["number"])
    for _ in range(WORKERS):
        reader, writer = os.pipe()
        if os.fork() == 0:
            for number in range(SERIES):
                counter.labels(str(number)).inc()
            os.write(writer, b".")
            os.close(writer)
            time.sleep(60)
            os._exit(0)
        os.read(reader, 1)
    text, _ = prometheus_text(details=False)
    assert sum(not line.startswith(b"#") for line in text.splitlines()) >= SERIES
    return best_us(lambda: prometheus_text(details=False))


urlpatterns: list[object] = []

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        folder = Path(os.environ["BENCHMARK_FOLDER"])
        print(measure_scrape(folder) if sys.argv[1] == "scrape" else measure_request(sys.argv[1], folder))
