"""Long trials of rate limits, too long for the suite: `python -m tests.limits.trials [keys|gevent]`.

`keys` counts requests of a million keys in the shared store, and prints what that takes. `gevent` serves a project by
gunicorn's gevent workers (needs the package gevent), and counts how many requests they admit together.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.servers import PROJECT

KEYS = 1_000_000
QUOTA = 100
REQUESTS = 400
THREADS = 8
DEADLINE_S = 120


def main(names: list[str]) -> int:
    """Run the named trials, or both. Return the exit code."""
    trials = {"keys": try_keys, "gevent": try_gevent}
    results = [trials[name]() for name in names or trials]
    return 0 if all(results) else 1


def try_keys() -> bool:
    """Count one request of each of a million keys. Then other keys must still be limited exactly."""
    _application(tempfile.gettempdir())
    from systemlog.limits.gcra import SECOND_NS, make_rate
    from systemlog.limits.metrics import instruments
    from systemlog.limits.stores.shared import SharedStore

    short, long = make_rate(100, 10 * SECOND_NS, 100), make_rate(QUOTA, 86_400 * SECOND_NS, QUOTA)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times"
        store = SharedStore(path)
        limited = os.urandom(16)
        admitted = sum(store.take(limited, long) >= 0 for _ in range(QUOTA + 50))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        for number in range(KEYS):
            store.take(number.to_bytes(8, "little") + os.urandom(8), short)
        took_s = time.monotonic() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        still_refused = store.take(limited, long) < 0
        keys = [os.urandom(16) for _ in range(10)]
        exact = [sum(store.take(key, long) >= 0 for _ in range(QUOTA + 20)) for key in keys]
        size = path.stat().st_size
        store.close()
    print(f"{KEYS} keys in {took_s:.1f} s: file {size} bytes, memory +{grown} KiB, ")
    print(f"evicted {instruments().EVICTIONS._value.get():.0f}; admitted before {admitted}, after {exact} of {QUOTA}")
    print(f"the key that was over its limit before is {'still' if still_refused else 'no longer'} refused")
    return admitted == QUOTA and set(exact) == {QUOTA} and still_refused and grown < 10 * 1024


def try_gevent() -> bool:
    """Serve by four gevent workers, loaded before and after the fork. Together they must admit the quota."""
    fine = True
    for options in ((), ("--preload",)):
        with tempfile.TemporaryDirectory() as folder:
            statuses, slowest_s = _serve_and_ask(folder, *options)
        print(f"gevent {' '.join(options)}: {dict(statuses)}, slowest {slowest_s:.2f} s")
        fine = fine and statuses == {200: QUOTA, 429: REQUESTS - QUOTA}
    return fine


def _serve_and_ask(folder: str, *options: str) -> tuple[Counter[int], float]:
    import httpx

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "4", "-b", f"127.0.0.1:{port}", *options]
    process = subprocess.Popen(
        [*command, f"{__spec__.name}:application"], cwd=PROJECT, env={**os.environ, "TRIAL": folder}
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < deadline

        def some(_: int) -> list[tuple[int, float]]:
            with httpx.Client(trust_env=False, timeout=DEADLINE_S) as client:
                answers = [client.get(url) for _ in range(REQUESTS // THREADS)]
            return [(answer.status_code, answer.elapsed.total_seconds()) for answer in answers]

        with ThreadPoolExecutor(THREADS) as pool:
            answers = [one for part in pool.map(some, range(THREADS)) for one in part]
    finally:
        process.terminate()
        process.wait()
    return Counter(status for status, _ in answers), max(took for _, took in answers)


def _application(folder: str) -> Any:
    """Return the WSGI application of a small project with a limit by address."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(
        SECRET_KEY="of-the-trial",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}},
        USE_TZ=True,
        # REST framework imports the admin, and gevent's patching after the fork needs it installed then.
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes")), "systemlog"],
        MIDDLEWARE=["systemlog.problems.ProblemMiddleware", "systemlog.limits.LimitMiddleware"],
        SYSTEMLOG={
            "JOURNAL": "memory",
            "LIMITS": [{"name": "ip", "by": "ip", "quota": QUOTA, "window": "1d"}],
            "LIMITS_DIR": folder,
        },
        LOGGING_CONFIG=None,
    )
    django.setup()
    globals()["urlpatterns"] = [path("", lambda request: HttpResponse("ok"))]
    return get_wsgi_application()


if "TRIAL" in os.environ and __name__ != "__main__":
    application = _application(os.environ["TRIAL"])

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
