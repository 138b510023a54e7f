"""Measures the console in Chromium: `python -m benchmarks.console [--rows 1000000] [--rounds 10] [--keep DIR]`.

Serves the platform on SQLite, or on a fresh database of the PostgreSQL in DATABASE_URL, stores made-up records of the
last day, and measures: the time from navigation to the first rows and to the whole page (histogram and all facets), the
time of the story of a request, the time from the response to a POST to the row on the screen while 1,000 records a
second arrive, the cost of 50 tails for the server, and how smoothly the page draws 500 records a second. Times are wall
times: the machine must be quiet.

With `--keep DIR`, the records stay in that directory, or in the database of DATABASE_URL itself, and the next run uses
them again. `--prepare` stores them, and measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from systemlog.console.explorer import MODULES
from tests.support.browser import running_browser, sessions_of, visit
from tests.support.console import LIST
from tests.support.servers import PROJECT, Platform, Server, fresh_platform

NOTE_DRAWN = """
window.drawn = {};
const look = () => {
    if (document.querySelector("[role=grid] .row[data-level]")) drawn.rows ??= performance.now();
    if (document.querySelector("[data-part=bars] [data-level]") && document.querySelectorAll(".facet ul").length > 2)
        drawn.whole ??= performance.now();
    if (!drawn.whole) requestAnimationFrame(look);
};
addEventListener("DOMContentLoaded", look);
"""
NOTE_FRAMES = """() => new Promise(resolve => {
    const frames = [];
    let last = performance.now();
    const end = last + 15000;
    const next = now => {
        frames.push(now - last);
        last = now;
        if (now < end) requestAnimationFrame(next); else resolve(frames);
    };
    requestAnimationFrame(next);
})"""
TAILS = 50
SECONDS = 15


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10, help="how often a page is opened")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the records here, and use them again")
    parser.add_argument("--prepare", action="store_true", help="with --keep: store the records, and measure nothing")
    parser.add_argument("--only", choices=("pages", "live"), help="measure only the pages, or only what arrives live")
    options = parser.parse_args()
    url = os.environ.get("DATABASE_URL")
    os.environ.setdefault("SECRET_KEY", "only-for-the-benchmark-0123456789-abcdefghijklmnop")
    with contextlib.ExitStack() as stack:
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            platform = stack.enter_context(fresh_platform(options.keep, None))
            platform.environment.update({"DATABASE_URL": url} if url else {})
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            platform = stack.enter_context(fresh_platform(folder, url))
        token, session = prepare(platform, options.rows)
        if options.prepare:
            return
        sizes()
        print(f"{'PostgreSQL' if url else 'SQLite'}, {options.rows:,} records of the last day")
        server = stack.enter_context(platform.serve("--workers=2"))
        browser = stack.enter_context(running_browser())
        if options.only != "live":
            page_times(browser, server, session, options.rounds)
            story_times(browser, server, session, token, options.rounds)
        if options.only == "pages":
            return
        with visit(browser, server.url, session) as window:
            latency(window.page, server, token)
        tails(server, token)
        with visit(browser, server.url, session) as window:
            frames(window.page, server, token)


def prepare(platform: Platform, rows: int) -> tuple[str, str]:
    """Migrate and fill the databases, unless an earlier run did. Return a token, and the session key of a reader."""
    done = platform.folder / "prepared.json"
    if not done.exists():
        access = platform.migrate()["read+write"], sessions_of(platform)["reader"]
        command = f"from benchmarks.console_rows import fill; fill({rows})"
        fill = [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", command]
        subprocess.run(fill, cwd=PROJECT, env=platform.environment, check=True)
        done.write_text(json.dumps(access))
    token, session = json.loads(done.read_text())
    return token, session


def sizes() -> None:
    """Print how much the page loads."""
    names = ["shared.css", "console.css", "console.js", *(f"{name}.js" for name in MODULES)]
    text = b"".join((PROJECT / "systemlog/static/systemlog/console" / name).read_bytes() for name in names)
    tell("JavaScript and CSS of the explorer, kB", len(text) / 1000, "60")
    tell("the same with gzip, kB", len(gzip.compress(text)) / 1000, "20")


def page_times(browser: Any, server: Server, session: str, rounds: int) -> None:
    """Open the page again and again, each time in a browser that has nothing in its cache."""
    times: list[dict[str, float]] = []
    for _ in range(rounds):
        with visit(browser, server.url, session) as window:
            window.page.add_init_script(NOTE_DRAWN)
            window.open(LIST)
            window.page.locator("[data-part=context] h2").wait_for()
            window.page.locator("[data-part=bars] [data-level]").first.wait_for(state="attached")
            window.page.wait_for_timeout(100)
            times.append(window.page.evaluate("drawn"))
    for name, target in (("rows", "300"), ("whole", "1000 to 1500")):
        tell(f"from navigation to {name}, ms (median)", statistics.median(each[name] for each in times), target)


def story_times(browser: Any, server: Server, session: str, token: str, rounds: int) -> None:
    """Open the story of a request of twelve records again and again, each time in a browser with an empty cache."""
    request_id = uuid.uuid4().hex
    with server.client(token) as client:
        for number in range(12):
            level, source = ("ERROR" if number == 7 else "INFO"), f"service-{number % 3}"
            record = {"message": f"step {number}", "level": level, "source": source, "correlation_id": request_id}
            client.post("/system/logs/", json=record).raise_for_status()
    times: list[float] = []
    for _ in range(rounds):
        with visit(browser, server.url, session) as window:
            window.open(f"{LIST}story/?correlation_id={request_id}")
            window.page.get_by_text("step 11").first.wait_for()
            times.append(window.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    tell("from navigation to the story, ms (median)", statistics.median(times), "200")


def latency(page: Any, server: Server, token: str) -> None:
    """Measure the time from the response to a POST to the row on the screen, while other records arrive."""
    page.goto(f"{server.url}{LIST}?category=marker&live=1")
    with page.expect_response(lambda response: "after=" in response.url):
        pass
    waits: list[float] = []
    with background(server, token, per_second=1000), server.client(token) as client:
        for number in range(SECONDS * 2):
            message = f"marker {number}"
            client.post("/system/logs/", json={"category": "marker", "message": message}).raise_for_status()
            answered = time.monotonic()
            page.get_by_role("row").filter(has_text=message).first.wait_for()
            waits.append(time.monotonic() - answered)
    tell("POST answered to row on screen at 1,000 records/s, s (p50)", statistics.median(waits), "1.2")
    tell("the same (largest)", max(waits), "2.5 (p99)")


def tails(server: Server, token: str) -> None:
    """Measure the cost of many tails for the server."""
    refused = itertools.count()
    end = time.monotonic() + SECONDS

    def follow(_: int) -> None:
        after = ""
        with server.client(token) as client:
            while time.monotonic() < end:
                cursor = {"after": after} if after else {}
                answer = client.get("/system/logs/tail/", params={"level": "ERROR", **cursor})
                if answer.status_code != 200:
                    next(refused)
                    continue
                after = answer.json()["after"]
                threading.Event().wait(answer.json()["poll_ms"] / 1000)

    before = processor_time(server)
    with ThreadPoolExecutor(TAILS) as pool:
        list(pool.map(follow, range(TAILS)))
    tell(f"{TAILS} tails, processors", (processor_time(server) - before) / SECONDS, "0.4")
    tell("refused", next(refused), "0")


def frames(page: Any, server: Server, token: str) -> None:
    """Measure how smoothly the page follows, and what it holds."""
    page.goto(f"{server.url}{LIST}?live=1")
    with page.expect_response(lambda response: "after=" in response.url):
        pass
    with background(server, token, per_second=500):
        times = sorted(page.evaluate(NOTE_FRAMES))
    tell("frames at 500 records/s, ms (p95)", times[len(times) * 95 // 100], "33")
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    tell("heap, MB", session.send("Runtime.getHeapUsage")["usedSize"] / 1e6, "40")
    tell("rows held", int(page.get_by_role("grid").get_attribute("aria-rowcount")) - 1, "20000")


class background:  # noqa: N801  (reads as a block)
    """A context manager that sends records during the block."""

    def __init__(self, server: Server, token: str, per_second: int) -> None:
        self._server, self._token, self._lines = server, token, per_second // 10
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        due = time.monotonic()
        with self._server.client(self._token) as client:
            for number in itertools.count():
                records = ({"message": f"noise {number}-{line}", "category": "noise"} for line in range(self._lines))
                body = "\n".join(map(json.dumps, records))
                client.post("/system/logs/", content=body, headers={"Content-Type": "application/x-ndjson"})
                due += 0.1
                if self._stop.wait(max(0, due - time.monotonic())):
                    return


def processor_time(server: Server) -> float:
    """Return the seconds of processor time of the server and its workers."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if server.process.pid in (int(stat.parent.name), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def tell(what: str, value: float, target: str) -> None:
    """Print a figure beside its target."""
    print(f"{what:<60} {value:>10.3g}   (at most {target})", flush=True)


if __name__ == "__main__":
    main()
