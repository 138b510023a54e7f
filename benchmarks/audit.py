"""Measures the cost of audit trails: ours, django-auditlog, django-simple-history and django-pghistory.

    python -m benchmarks.audit [--database sqlite|postgresql] [--repeats 6] [--pg-bin DIR]

A figure is the processor time of the client and of its PostgreSQL backend for an operation on a model of ten fields, as
a multiple of the time for the same model without a trail. The operations are interleaved; the lower quartile counts.
Needs `benchmarks/requirements.txt`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from tests.support.postgresql import running_server

ROWS = 1000
SINGLES = 200
TARGETS = {
    "save": (1.3, 1.3),
    "bulk_create": (1.3, 1.3),
    "update": (8.0, 4.0),
    "delete": (12.0, 6.0),
    "read": (1.02, 1.02),
}


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--pg-bin", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None
        if options.database == "postgresql":
            server = stack.enter_context(running_server(options.pg_bin))
        configure(folder, server.url() if server else None)
        from benchmarks import audit_models

        models = {
            name: model for name, model in audit_models.MODELS.items() if server or not name.startswith("pghistory")
        }
        measured = {name: {operation: [] for operation in OPERATIONS} for name in models}  # type: dict[str, dict[str, list[float]]]
        for repeat in range(options.repeats + 1):
            for name, model in models.items():
                for operation, seconds in measure(model).items():
                    if repeat:  # the first repeat is a warm-up
                        measured[name][operation].append(seconds)
        show(measured, 1 if server else 0)
        drain(options.repeats)
    return 0


def configure(folder: Path, url: str | None) -> None:
    """Set up Django with every trail, each on its own model."""
    from ops_platform.environment import database
    from ops_platform.settings import SQLITE_OPTIONS

    def alias(name: str) -> Any:
        if url and name == "default":
            return database(url)
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / name), "OPTIONS": SQLITE_OPTIONS}

    settings.configure(
        DATABASES={"default": alias("default")} if url else {"default": alias("default"), "logs": alias("logs")},
        DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "auditlog",
            "simple_history",
            *(["pgtrigger", "pghistory"] if url else []),
            "systemlog",
            "benchmarks",
        ],
        SYSTEMLOG={
            "DATABASE": "default" if url else "logs",
            "JOURNAL_DIR": str(folder / "journal"),
            "AUDIT": {"benchmarks.Ours": {}},
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        SILENCED_SYSTEM_CHECKS=["systemlog.W040"],
    )
    django.setup()
    import benchmarks.audit_models  # noqa: F401  (its models, before their tables are made)

    for name in connections:
        call_command("migrate", database=name, verbosity=0)
        call_command("migrate", database=name, run_syncdb=True, verbosity=0)
    if url:
        call_command("pgtrigger", "install", verbosity=0)


# -- operations


def insert(model: Any) -> Callable[[], int]:
    """Single inserts."""
    return lambda: sum(bool(model.objects.create(**fields(number))) for number in range(SINGLES))


def save(model: Any) -> Callable[[], int]:
    """Single saves of a change."""
    objects = list(model.objects.order_by("pk")[:SINGLES])

    def run() -> int:
        for each in objects:
            each.status += "x"
            each.save()
        return len(objects)

    return run


def bulk_create(model: Any) -> Callable[[], int]:
    """One bulk of 1,000."""
    made = [model(**fields(number)) for number in range(ROWS)]
    return lambda: len(model.objects.bulk_create(made))


def read(model: Any) -> Callable[[], int]:
    """All rows, ten times."""
    return lambda: sum(len(model.objects.all()[:ROWS]) for _ in range(10)) // 10


def update(model: Any) -> Callable[[], int]:
    """1,000 rows by one statement."""
    keys = list(model.objects.order_by("-pk").values_list("pk", flat=True)[:ROWS])
    return lambda: int(model.objects.filter(pk__gte=keys[-1]).update(status="changed"))


def delete(model: Any) -> Callable[[], int]:
    """1,000 rows by one statement."""
    keys = list(model.objects.order_by("-pk").values_list("pk", flat=True)[:ROWS])
    return lambda: int(model.objects.filter(pk__gte=keys[-1]).delete()[0])


OPERATIONS = {
    "insert": insert,
    "save": save,
    "bulk_create": bulk_create,
    "read": read,
    "update": update,
    "delete": delete,
}


def fields(number: int) -> dict[str, Any]:
    """Return the nine values of a row, without its key."""
    return {"name": f"name {number}", "number": number, "note": "a note of some words " * 3}


def measure(model: Any) -> dict[str, float]:
    """Return the processor seconds of each operation, of this process and of the database's process."""
    found = {}
    for name, prepare in OPERATIONS.items():
        run = prepare(model)
        with connection.cursor() as cursor:
            pid = None
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_backend_pid()")
                pid = cursor.fetchone()[0]
        before = time.process_time_ns() + backend_ns(pid)
        run()
        found[name] = (time.process_time_ns() + backend_ns(pid) - before) / 1e9
    model.objects.all()._raw_delete("default")
    return found


def backend_ns(pid: int | None) -> int:
    """Return the processor time of a process so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) if pid else 0


def show(measured: dict[str, dict[str, list[float]]], column: int) -> None:
    """Print the table: milliseconds without a trail, then multiples of them."""
    lows = {
        name: {operation: quantiles(values, n=4)[0] for operation, values in each.items()}
        for name, each in measured.items()
    }
    base = lows["nothing"]
    print(f"{'':28}" + "".join(f"{operation:>13}" for operation in OPERATIONS))
    print(f"{'nothing (ms)':28}" + "".join(f"{base[operation] * 1000:13.1f}" for operation in OPERATIONS))
    for name, each in lows.items():
        if name != "nothing":
            print(f"{name:28}" + "".join(f"{each[operation] / base[operation]:13.2f}" for operation in OPERATIONS))
    wanted = "".join(f"{TARGETS[op][column] if op in TARGETS else '':>13}" for op in OPERATIONS)
    print(f"{'wanted of ours':28}{wanted}", flush=True)


def drain(repeats: int) -> None:
    """Print how many records a second of processor time makes from an outbox of bulks and single saves."""
    from benchmarks.audit_models import MODELS
    from systemlog.audit.draining import drain_waiting

    model, times = MODELS["ours"], []
    for repeat in range(repeats + 1):
        model.objects.all()._raw_delete("default")
        while drain_waiting(entries=10**9, seconds=1e9):
            pass
        for _ in range(5):
            model.objects.bulk_create([model(**fields(number)) for number in range(ROWS)])
        for each in model.objects.all()[:ROWS]:
            each.status = "more"
            each.save()
        began = time.process_time()
        while drain_waiting(entries=10**9, seconds=1e9):
            pass
        if repeat:  # the first repeat is a warm-up
            times.append((time.process_time() - began) / (6 * ROWS))
    print(f"drained: {1 / quantiles(times, n=4)[0]:,.0f} records a second of the lander's processor time")


if __name__ == "__main__":
    sys.exit(main())
