"""Measures the cost of a record in each ingest protocol, the records per second of a worker, and the speed of landing.

    pip install -r requirements.txt
    python -m benchmarks.ingest [--records 5000] [--rounds 12] [--before REVISION] [--rows 30000]

First: µs of processor time per record from the bytes of a body to the lines of the journal, with redaction and all
checks, without writing. The protocols take turns, and the best round counts. "One by one" is the earlier way to read a
bulk: the standard library decodes each record, each field is checked, and the context is written as JSON twice.

Second: rows per second of NDJSON over HTTP into one worker, in turns with the version before the current way of reading
(a git worktree).

Third: rows per second that are landed in SQLite and PostgreSQL, with ids that derive from the request and with new ids.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tests.support.waiting import eventually

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

SINCE = "Make the line of a bulk's record in one pass"
"""The subject of the commit that introduced the current way to read a bulk."""

HTTP_RECORDS, HTTP_ROUNDS = 20_000, 7
LANDINGS = 4


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=5000, help="records of a body")
    parser.add_argument("--rounds", type=int, default=12, help="how many turns each protocol has")
    parser.add_argument("--before", default="", help="revision to compare with over HTTP (default: before `SINCE`)")
    parser.add_argument("--rows", type=int, default=30_000, help="rows of each landing; 0 for none")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = ""
        if options.rows:
            from tests.support.postgresql import DURABLE, running_server

            url = stack.enter_context(running_server(settings=DURABLE)).url()
        configure(folder, url)
        print(f"Python {sys.version.split()[0]}, Django {django.__version__}\n")
        read(options.records, options.rounds)
        before = options.before or revision_before()
        if before:
            over_http(folder, before)
        if options.rows:
            for alias in ("sqlite", "postgresql"):
                call_command("migrate", database=alias, verbosity=0)
                land(alias, folder, options.rows)


def configure(folder: Path, url: str) -> None:
    """Configure Django with both databases, and a journal in `folder`."""
    from ops_platform.environment import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"), "OPTIONS": SQLITE_OPTIONS}
    databases = {"default": sqlite, "sqlite": sqlite} | ({"postgresql": database(url)} if url else {})
    settings.configure(
        DATABASES=databases,
        INSTALLED_APPS=["systemlog"],
        SYSTEMLOG={"JOURNAL_DIR": str(folder / "journal")},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()


BEGAN = time.time_ns() // 1000 * 1000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def attributes(number: int) -> dict[str, Any]:
    """Return the six attributes of a record."""
    return {
        "http.method": "POST",
        "http.route": "/orders/<id>/charge",
        "http.status_code": 402,
        "order": number,
        "amount": 12.5,
        "retry": False,
    }


def message(number: int) -> str:
    """Return the message of a record."""
    return f"charge of order {number} failed: card declined by the issuer"


def rfc3339(number: int) -> str:
    """Return the time of a record."""
    at = BEGAN // 1000 + number
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 10**6)) + f".{at % 10**6:06}Z"


def as_ndjson(count: int) -> bytes:
    """Return a body of the log API."""
    return b"".join(
        json.dumps(
            {
                "timestamp": rfc3339(number),
                "level": "ERROR",
                "category": "billing",
                "source": "shop",
                "message": message(number),
                "trace_id": TRACE,
                "context": attributes(number),
            }
        ).encode()
        + b"\n"
        for number in range(count)
    )


def otlp_value(value: Any) -> dict[str, Any]:
    """Return an AnyValue in JSON."""
    kinds = {str: "stringValue", bool: "boolValue", float: "doubleValue"}
    return {"intValue": str(value)} if type(value) is int else {kinds[type(value)]: value}


def as_otlp_json(count: int) -> bytes:
    """Return an ExportLogsServiceRequest in JSON."""
    records = [
        {
            "timeUnixNano": str(BEGAN + number * 1000),
            "severityNumber": 17,
            "severityText": "ERROR",
            "body": {"stringValue": message(number)},
            "attributes": [{"key": key, "value": otlp_value(value)} for key, value in attributes(number).items()],
            "traceId": TRACE,
            "spanId": "b7ad6b7169203331",
        }
        for number in range(count)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scope = {"scope": {"name": "billing"}, "logRecords": records}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}).encode()


def as_otlp_protobuf(count: int) -> bytes:
    """Return the same request in protobuf."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    pair = resource.resource.attributes.add(key="service.name")
    pair.value.string_value = "shop"
    scope = resource.scope_logs.add()
    scope.scope.name = "billing"
    for number in range(count):
        record = scope.log_records.add(time_unix_nano=BEGAN + number * 1000, severity_number=17, severity_text="ERROR")
        record.trace_id, record.span_id = bytes.fromhex(TRACE), bytes.fromhex("b7ad6b7169203331")
        record.body.string_value = message(number)
        for key, value in attributes(number).items():
            held = record.attributes.add(key=key).value
            kind = {str: "string_value", bool: "bool_value", float: "double_value", int: "int_value"}[type(value)]
            setattr(held, kind, value)
    return request.SerializeToString()


def as_elastic(count: int) -> bytes:
    """Return a bulk of Elasticsearch."""
    return b"".join(
        json.dumps({"create": {"_index": "app-2026.11.27", "_id": f"id-{number}"}}).encode()
        + b"\n"
        + json.dumps(
            {
                "@timestamp": rfc3339(number),
                "message": message(number),
                "log": {"level": "error", "logger": "billing"},
                "service": {"name": "shop"},
                "trace": {"id": TRACE},
                **attributes(number),
            }
        ).encode()
        + b"\n"
        for number in range(count)
    )


def as_loki(count: int) -> bytes:
    """Return a push request of Loki in JSON."""
    values = [
        [
            str(BEGAN + number * 1000),
            message(number),
            {"trace_id": TRACE, **{key: str(value) for key, value in attributes(number).items()}},
        ]
        for number in range(count)
    ]
    stream = {"app": "shop", "logger": "billing", "level": "error"}
    return json.dumps({"streams": [{"stream": stream, "values": values}]}).encode()


def as_journal(count: int) -> bytes:
    """Return entries in the journal export format."""
    return b"".join(
        f"__CURSOR=s=0f6c1e0f;i={number:x}\n__REALTIME_TIMESTAMP={BEGAN // 1000 + number}\n__MONOTONIC_TIMESTAMP=1\n"
        f"PRIORITY=3\nSYSLOG_IDENTIFIER=billing\n_HOSTNAME=shop\nTRACE_ID={TRACE}\nMESSAGE={message(number)}\n".encode()
        + b"".join(f"{key.upper().replace('.', '_')}={value}\n".encode() for key, value in attributes(number).items())
        + b"\n"
        for number in range(count)
    )


def pieces(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces, as it would arrive."""
    return (body[start : start + 65536] for start in range(0, len(body), 65536))


def ways() -> dict[str, tuple[Callable[[int], bytes], Callable[[bytes, Any], int], float]]:
    """Return by name: a function that makes a body, one that reads it and counts lines, and the µs allowed."""
    from systemlog.ingest import (
        bulk,
        elastic,
        journal_export,
        journald,
        loki,
        loki_json,
        otlp,
        otlp_json,
        otlp_protobuf,
    )
    from systemlog.ingest.lines import line_of
    from systemlog.ingest.validation import read_record
    from systemlog.journal import backends
    from systemlog.records.copy_text import encode
    from systemlog.records.strict_json import read_json

    taken = [0]

    class Sink:
        """Counts lines."""

        def append(self, line: bytes) -> bool:
            taken[0] += 1
            return True

        def append_many(self, lines: Any, writer: str | None = None) -> int:
            taken[0] += len(lines)
            return len(lines)

        def close(self) -> None:
            """Do nothing."""

    backends.replace(Sink())

    def count(read: Callable[[bytes, Any], object]) -> Callable[[bytes, Any], int]:
        def counted(body: bytes, maker: Any) -> int:
            taken[0] = 0
            read(body, maker)
            return taken[0]

        return counted

    def ndjson(body: bytes, maker: Any) -> int:
        return len([line_of(value, maker) for value in bulk.read_lines(pieces(body))])

    def one_by_one(body: bytes, maker: Any) -> int:
        return len([encode(read_record(read_json(line.decode()))) for line in body.splitlines()])

    def otlp_by(decode: Any) -> Any:
        return count(lambda body, maker: otlp.take(decode(body), body, maker))

    def documents(body: bytes, maker: Any) -> None:
        from systemlog.ingest.streams import read_lines

        taking = elastic._Bulk(maker, lambda size: None)
        taking.read(read_lines(pieces(body), elastic.MAX_LINE_BYTES), "")
        taking.flush()

    def journal(body: bytes, maker: Any) -> int:
        return len([journald.line_of(entry, maker) for entry in journal_export.read_entries(pieces(body))])

    return {
        "NDJSON, one by one": (as_ndjson, one_by_one, 0.0),
        "NDJSON": (as_ndjson, ndjson, 35.0),
        "OTLP protobuf": (as_otlp_protobuf, otlp_by(otlp_protobuf.decode), 30.0),
        "OTLP JSON": (as_otlp_json, otlp_by(otlp_json.decode), 35.0),
        "Elasticsearch": (as_elastic, count(documents), 40.0),
        "Loki JSON": (as_loki, count(lambda body, maker: loki.take(loki_json.decode(body), maker)), 30.0),
        "journald": (as_journal, journal, 35.0),
    }


def read(records: int, rounds: int) -> None:
    """Measure the time from bytes to lines."""
    from systemlog.ingest.mapping import LineMaker
    from systemlog.journal import backends

    known = ways()
    bodies = {name: make(records) for name, (make, _, _) in known.items()}
    best = dict.fromkeys(known, float("inf"))
    for _ in range(rounds):
        for name, (_, reading, _) in known.items():
            maker = LineMaker("shipper")
            began = time.process_time()
            assert reading(bodies[name], maker) == records, name
            best[name] = min(best[name], time.process_time() - began)
    backends.replace(None)
    print(f"{'from bytes to lines':24} {'µs/record':>10} {'at most':>8} {'bytes':>7}")
    for name, seconds in best.items():
        target = f"{known[name][2]:.0f}" if known[name][2] else ""
        print(f"{name:24} {seconds / records * 1e6:10.1f} {target:>8} {len(bodies[name]) / records:7.0f}")


def revision_before() -> str:
    """Return the parent of the commit `SINCE`; "" if git does not know the commit."""
    command = ["git", "log", "-1", "--format=%H^", f"--grep={SINCE}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def over_http(folder: Path, before: str) -> None:
    """Measure the rows per second of one worker, of the versions before and now, in turns."""
    tree = folder / "before"
    subprocess.run(["git", "worktree", "add", "--detach", "--quiet", tree, before], cwd=PROJECT, check=True)
    try:
        body = as_ndjson(HTTP_RECORDS)
        with serving(tree, folder / "var-before", 8841) as old, serving(PROJECT, folder / "var-now", 8842) as new:
            rates: dict[str, list[float]] = {"before": [], "now": []}
            for turn in range(HTTP_ROUNDS + 1):
                for name, server in (("before", old), ("now", new)):
                    rate = HTTP_RECORDS / post(server, body)
                    if turn:  # the first turn includes the time for imports
                        rates[name].append(rate)
        times = statistics.median(b / a for a, b in zip(rates["before"], rates["now"], strict=True))
        print(f"\n{'NDJSON over HTTP, one worker':30} {'rows/s':>9}")
        for name, found in rates.items():
            print(f"{name:30} {statistics.median(found):9,.0f}")
        print(f"{'now ÷ before (at least 2)':30} {times:9.2f}")
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=PROJECT, check=False)


@contextlib.contextmanager
def serving(tree: Path, var: Path, port: int) -> Iterator[SimpleNamespace]:
    """Run a server of one worker that lands no records."""
    shutil.rmtree(var, ignore_errors=True)
    environment = {
        **os.environ,
        "VAR_DIR": str(var),
        "ENV_FILE": "",
        "DATABASE_URL": "",
        "SECRET_KEY": "only-for-the-benchmark-0123456789-abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SYSTEMLOG_LANDER": "process",
        "SYSTEMLOG_JOURNAL_MAX_BYTES": str(2**34),
    }
    var.mkdir()

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout

    manage("migrate", "-v0")
    manage("migrate", "-v0", "--database=logs")
    token = manage("issue_token", "benchmark", "--can=write").split()[-1]
    with (var / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "serve", f"--bind=127.0.0.1:{port}", "--workers=1"],
            cwd=tree,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        if not eventually(lambda: is_served(port), 60):
            raise TimeoutError(f"The server does not answer: {(var / 'log').read_text()}")
        yield SimpleNamespace(port=port, token=token)
    finally:
        server.terminate()
        server.wait()


def is_served(port: int) -> bool:
    """Return whether a server answers at the port."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/system-health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False


def post(server: SimpleNamespace, body: bytes) -> float:
    """Return how many seconds a bulk takes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {server.token}"}
    began = time.perf_counter()
    connection.request("POST", "/system/logs/", body, headers)
    answer = connection.getresponse()
    result = json.loads(answer.read())
    taken = time.perf_counter() - began
    assert result["accepted"] == HTTP_RECORDS, result
    connection.close()
    return taken


def land(alias: str, folder: Path, rows: int) -> None:
    """Measure the rows landed per second, with new ids, derived ids, and derived ids that are stored already."""
    from systemlog.conf import conf
    from systemlog.ingest.mapping import LineMaker
    from systemlog.journal import backends, directory
    from systemlog.landing import Lander

    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DATABASE": alias, "JOURNAL_MAX_BYTES": 2**33}
    backends.close()
    assert alias == conf().DATABASE
    maker = LineMaker("shipper")

    def lines(derived: bytes | None, first: int) -> list[bytes]:
        return [
            maker.make(
                instant_us=BEGAN // 1000 + first + number,
                identity=derived,
                ordinal=number,
                level=1,
                category="billing",
                source="shop",
                message=message(number),
                correlation_id=None,
                user_id=None,
                trace_id=TRACE,
                context=attributes(number),
            )
            for number in range(rows)
        ]

    rates: dict[str, list[float]] = {"new ids": [], "derived ids": [], "derived ids, all there already": []}
    for turn in range(LANDINGS):
        for place, (name, derived) in enumerate(zip(rates, (None, b"digest", b"digest"), strict=True)):
            first = (2 * turn + min(place, 1) - 2 * LANDINGS) * rows
            backends.sink().append_many(lines(derived, first))
            backends.close()
            began = time.perf_counter()
            Lander(directory.target_folder()).land_all()
            rates[name].append(rows / (time.perf_counter() - began))
    print(f"\n{f'landing in {alias}':32} {'rows/s':>9} {'÷ new':>7}")
    for name, found in rates.items():
        ratio = statistics.median(one / new for one, new in zip(found, rates["new ids"], strict=True))
        print(f"{name:32} {statistics.median(found):9,.0f} {ratio:7.2f}")
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_logs WHERE category = 'billing'")
        assert cursor.fetchone()[0] == 2 * LANDINGS * rows


if __name__ == "__main__":
    main()
