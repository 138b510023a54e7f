"""Kills the application, the lander and either database, round after round, and replays the audit trail then.

    python -m tests.audit.crash [--rounds 200] [--database sqlite|postgresql] [--pg-bin DIR]

The log is in another database than what is audited. The records of each object, in order, must lead from nothing to
what its table holds: none is lost, doubled or out of place. It ends with 1 at the first that is.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import Error, connections, transaction

from tests.crash import FORGETFUL, die, in_child
from tests.support.crash_rounds import read_options
from tests.support.postgresql import Server, running_server

WRITERS = 2
BACKLOG = 60
MAX_WRITING_S = 0.25
MAX_LANDING_S = 0.15
DEADLINE_S = 60


def main() -> int:
    """Run the rounds; gives the exit code."""
    options = read_options(__doc__, rounds=200)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: list[Server] = []
        if options.database == "postgresql":
            waiting = {"synchronous_commit": "on"}
            servers.append(stack.enter_context(running_server(options.pg_bin, settings=waiting)))
            servers.append(stack.enter_context(running_server(options.pg_bin, settings=FORGETFUL)))
        configure(folder, servers)
        kinds: dict[str, Callable[[], None]] = {
            "the application in mid-change": kill_writers,
            "the lander between storing and deleting": kill_lander_before_deleting,
            "the lander at any moment": kill_lander_somewhere,
        }
        if servers:
            kinds["the application's PostgreSQL"] = lambda: kill_postgresql(servers[0])
            kinds["the log's PostgreSQL"] = lambda: kill_postgresql(servers[1])
        for kind, run in kinds.items():
            records = 0
            for number in range(options.rounds):
                run()
                land_rest()
                wrong, count = replay()
                records += count
                if wrong:
                    print(f"{kind} {number}: {wrong}")
                    return 1
            print(f"{kind}: {options.rounds} rounds, {records} records, each change told once", flush=True)
    return 0


def configure(folder: Path, servers: list[Server]) -> None:
    """Django, with groups audited in one database, and the log in another."""
    from ops_platform.environment import database
    from ops_platform.settings import SQLITE_OPTIONS

    def alias(number: int) -> Any:
        if servers:
            return database(servers[number].url())
        name = str(folder / f"db{number}")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": SQLITE_OPTIONS}

    settings.configure(
        DATABASES={"default": alias(0), "logs": alias(1)},
        DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "systemlog"],
        SYSTEMLOG={"DATABASE": "logs", "JOURNAL_DIR": str(folder / "journal"), "AUDIT": {"auth.Group": {}}},
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    for name in connections:
        call_command("migrate", database=name, verbosity=0)
    connections.close_all()


# -- kinds of rounds


def kill_writers() -> None:
    """Writers that change as fast as they can, each killed somewhere."""
    children = [in_child(lambda writer=writer: change(f"{writer}", 10**6)) for writer in range(WRITERS)]
    for child in children:
        time.sleep(random.random() * MAX_WRITING_S)
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


def kill_lander_before_deleting() -> None:
    """A lander that dies when it has stored a batch, which the outbox still has."""
    write_backlog()

    def run() -> None:
        from systemlog.audit import draining

        draining.delete_entries = lambda connection, entries: die()
        land(limit=random.randint(1, BACKLOG))

    os.waitpid(in_child(run), 0)


def kill_lander_somewhere() -> None:
    """A lander that is killed at any moment, while changes go on."""
    write_backlog()
    writer = in_child(lambda: change("meanwhile", BACKLOG))
    child = in_child(lambda: land(limit=random.randint(1, BACKLOG)))
    time.sleep(random.random() * MAX_LANDING_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.waitpid(writer, 0)


def kill_postgresql(server: Server) -> None:
    """A database crashes while changes are made and landed, and is started again."""
    children = [in_child(lambda: change("crash", 10**4)), in_child(lambda: land(limit=random.randint(1, BACKLOG)))]
    time.sleep(random.random() * MAX_WRITING_S)
    server.stop(how=signal.SIGQUIT)
    os.kill(children[0], signal.SIGKILL)
    server.start()
    for child in children:
        os.waitpid(child, 0)


# -- what they are made of


def change(name: str, count: int) -> None:
    """Make, rename and delete groups, one by one and many at once, in transactions and without."""
    from django.contrib.auth.models import Group

    with contextlib.suppress(Error):
        for number in range(count):
            group = Group.objects.create(name=f"{name}-{os.getpid()}-{number}")
            with transaction.atomic():
                group.name += "-renamed"
                group.save()
                Group.objects.bulk_create([Group(name=f"{group.name}-{more}") for more in range(3)])
            Group.objects.filter(name__startswith=f"{group.name}-").filter(name__endswith="1").delete()


def write_backlog() -> None:
    """Changes that wait; their writer has ended."""
    os.waitpid(in_child(lambda: change("backlog", BACKLOG // 5)), 0)


def land(limit: int = 1000) -> None:
    """Land batch after batch, until nothing waits."""
    from systemlog.audit.draining import drain_batch
    from systemlog.storage import get_storage

    with contextlib.suppress(Error):
        while drain_batch(connections["default"], get_storage(), limit)[0]:
            pass


def land_rest() -> None:
    """What the next lander does."""

    def run() -> None:
        from systemlog.landing import DatabaseDown, Lander
        from tests.crash import folder_now

        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(DatabaseDown, Error):
                Lander(folder_now()).land_all()
                land()
                return
            time.sleep(0.05)

    os.waitpid(in_child(run), 0)


def replay() -> tuple[str, int]:
    """What is wrong with the trail, nothing if all is well; and how many records it has. Both are emptied."""
    from django.contrib.auth.models import Group

    from systemlog.models import SystemLog

    told: dict[str, str] = {}
    count = 0
    for record in SystemLog.objects.filter(category__startswith="audit.").order_by("timestamp", "id"):
        count += 1
        old, new = record.context["changes"]["name"]
        if told.pop(record.subject, None) != old:
            return f"{record.category} of {record.subject} begins with {old!r}, which it was not", count
        if new is not None:
            told[record.subject] = new
    there = {f"auth.group:{group.pk}": group.name for group in Group.objects.all()}
    if there != told:
        return f"the trail leads to {len(told)} groups, and there are {len(there)}", count
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_audit_outbox")
        if cursor.fetchone()[0]:
            return "changes wait still", count
        cursor.execute("DELETE FROM auth_group")
    land()
    with connections["logs"].cursor() as cursor:
        cursor.execute("DELETE FROM system_logs")
    connections.close_all()
    return "", count


if __name__ == "__main__":
    sys.exit(main())
