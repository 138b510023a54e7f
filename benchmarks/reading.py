"""Compares a page of 50 records with a plain list of REST framework: `python -m benchmarks.reading [--pg-bin DIR]`.

Requests to both pass in turns through the whole platform as one WSGI application without network, with a token, for the
same rows of one database. Prints the processor time of Python per request (the best of each, so that other load on the
machine matters little) and the resulting requests per second of one core. Runs on PostgreSQL, or on SQLite with
`--sqlite`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.postgresql import DURABLE, running_server

ROUNDS = 15
REQUESTS = 20
QUESTIONS = {
    "ours: the newest 50": ("/system/logs/", "limit=50", "ours"),
    "ours: level=ERROR": ("/system/logs/", "limit=50&level=ERROR", "ours"),
    "ours: one category": ("/system/logs/", "limit=50&category=c3", "ours"),
    "ours: a tail without news": ("/system/logs/tail/", "", "ours"),
    "plain DRF list: the newest 50": ("/plain/", "limit=50", "plain"),
}


def main() -> None:
    """Start a database, fill it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite files")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = None
        if not options.sqlite:
            url = stack.enter_context(running_server(options.pg_bin, settings=DURABLE)).url()
        tokens = set_up(folder, url)
        fill(options.rows)
        measure(tokens)
        from django.db import connections

        connections.close_all()


def set_up(folder: str, url: str | None) -> dict[str, str]:
    """Set up the platform with the peer's URLs, and return the tokens of both."""
    os.environ.update(
        ENV_FILE="", VAR_DIR=folder, SECRET_KEY="benchmark" * 8, ALLOWED_HOSTS="testserver", SYSTEMLOG_LANDER="process"
    )
    os.environ.pop("DATABASE_URL", None)
    if url:
        os.environ["DATABASE_URL"] = url
    from django.conf import settings

    from ops_platform import settings as platform

    own = {name: getattr(platform, name) for name in dir(platform) if name.isupper() and name != "ENV"}
    own["INSTALLED_APPS"] = [*own["INSTALLED_APPS"], "rest_framework.authtoken"]
    settings.configure(**{**own, "ROOT_URLCONF": "benchmarks.reading_peers"})
    import django

    django.setup()
    from django.core.management import call_command

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    from rest_framework.authtoken.models import Token

    from ops_platform.tokens import issue

    ours = issue("reader", ["read"])
    from django.contrib.auth import get_user_model

    plain, _ = Token.objects.get_or_create(user=get_user_model().objects.get(username="reader"))
    return {"ours": f"Bearer {ours}", "plain": f"Token {plain.key}"}


def fill(rows: int) -> None:
    """Store records of the last day."""
    from systemlog.records.ids import mint_id
    from systemlog.storage import Row, get_storage

    chance, now = random.Random(1), datetime.now(UTC)  # noqa: S311  (nothing is secret)
    made = []
    for number in range(rows):
        at = now - timedelta(seconds=number * 86400 / rows)
        level = chance.choices(["INFO", "WARNING", "ERROR"], [90, 7, 3])[0]
        context = {"order": number, "shop": {"name": f"s{number % 7}"}}
        names = f"c{number % 40}", f"w{number % 8}", f"message {number} about something that happened"
        made.append(
            Row(at, mint_id(at), level, *names, f"r{number // 5}", str(number % 100), context, None, None, None)
        )
    for start in range(0, rows, 5000):
        get_storage().insert(made[start : start + 5000])


def measure(tokens: dict[str, str]) -> None:
    """Send requests in turns, and print the table."""
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    best = dict.fromkeys(QUESTIONS, float("inf"))
    for _ in range(ROUNDS):
        for name, (path, query, whose) in QUESTIONS.items():
            ask(application, path, query, tokens[whose])
            began = time.process_time()
            for _ in range(REQUESTS):
                ask(application, path, query, tokens[whose])
            best[name] = min(best[name], (time.process_time() - began) / REQUESTS)
    plain = best["plain DRF list: the newest 50"]
    print(f"{'':32} {'ms of processor':>15} {'requests/s':>11} {'of the plain list':>18}", file=sys.stderr)
    for name, took in best.items():
        print(f"{name:32} {took * 1000:15.2f} {1 / took:11.0f} {plain / took:17.2f}x", file=sys.stderr)


def ask(application: Callable[..., Any], path: str, query: str, token: str) -> None:
    """Send a request, and read the whole response."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": token,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    answer = application(environ, lambda status, headers, error=None: statuses.append(status))
    body = b"".join(answer)
    answer.close()
    assert statuses == ["200 OK"], (statuses, body[:500])


if __name__ == "__main__":
    main()
