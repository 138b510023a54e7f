"""Kills sealers, pruners and databases between any two steps, round after round, and verifies the log afterwards.

    python -m tests.digests.crash [--rounds 10] [--database sqlite|postgresql] [--pg-bin DIR]

Each round has hours of its own, and a record that is late for an hour of the round before. After the kill, records that
were lost are stored again, together with another late record. The next seal must then make everything clean, in the
database and in the copy outside, and an altered record must be told with its hour. The program exits with 1 at the
first round where this fails.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, InterfaceError, connection, connections, transaction

from tests.support.crash_rounds import die, in_child, killed_soon, read_options
from tests.support.postgresql import Server, running_server

RECORDS = 12
HOURS = 3
"""Hours of a round. The last one is empty."""

LONGEST_S = 0.2
FORGETFUL = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
"""Settings of a server that loses the commits of the last seconds when it crashes."""

STEPS = {
    "before the hours are closed": ("sealing", "close_hours", True),
    "after the hours were closed": ("sealing", "close_hours", False),
    "after the records were read": ("chain", "Chain.append", True),
    "after the row was written": ("chain", "Chain.put", False),
    "after the commit": ("outside", "Outside.append", True),
    "after half of the line was written": ("outside", "os.write", True),
    "before the file was flushed": ("outside", "os.fsync", True),
    "after the file was flushed": ("outside", "Outside.append", False),
    "while the list of leaves is written": ("leaves", "ListedTree.finish", False),
    "after the list of leaves was renamed": ("leaves", "Leaves.keep", False),
    "before the notes are deleted": ("sealing", "forget", True),
    "after the notes were deleted": ("sealing", "forget", False),
}
"""Where a sealer is killed: a function of a module, and whether before or after the call of the function."""


def main() -> int:
    """Run the rounds, and return the exit code."""
    options = read_options(__doc__, rounds=10)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None
        if options.database == "postgresql":
            server = stack.enter_context(running_server(options.pg_bin, settings=FORGETFUL))
        configure(folder, server)
        kinds: dict[str, Callable[[Round], bool]] = {
            f"a sealer {step}": lambda this, step=step: killed_at(this, step) for step in STEPS
        }
        kinds["a sealer at any moment"] = killed_somewhere
        kinds["a sealer beside a verifier"] = killed_beside_a_verifier
        kinds["a sealer or a pruner beside each other"] = killed_beside_a_pruner
        if server is not None:
            kinds["PostgreSQL at any moment"] = lambda this: killed_database(this, server)
            kinds["PostgreSQL after a seal"] = lambda this: killed_database(this, server, after=True)
        else:
            kinds["a database that is set back"] = lambda this: set_back(this, folder)
        number = 0
        for kind, kill in kinds.items():
            kills = 0
            for _ in range(options.rounds):
                this = Round(number)
                this.store(durably=True)
                kills += kill(this)
                if wrong := this.settle(folder):
                    print(f"{kind}, round {number}: {wrong}")
                    return 1
                number += 1
            print(f"{kind}: {options.rounds} rounds, {kills} kills, clean afterwards, each attack told", flush=True)
    return 0


def configure(folder: Path, server: Server | None) -> None:
    """Set up Django with the log alone, a key, and a directory outside the database."""
    from ops_platform.parsers import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db"), "OPTIONS": SQLITE_OPTIONS}
    settings.configure(
        DATABASES={"default": sqlite if server is None else database(server.url())},
        INSTALLED_APPS=["systemlog"],
        SYSTEMLOG={
            "JOURNAL": "direct",
            "JOURNAL_DIR": str(folder / "journal"),
            "DIGEST_KEY": str(folder / "key"),
            "DIGEST_DIR": str(folder / "digests"),
        },
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    from systemlog.digests import keys

    logging.getLogger("systemlog").addHandler(logging.NullHandler())
    logging.getLogger("systemlog").propagate = False
    keys.create(folder / "key")
    call_command("migrate", verbosity=0)
    connections.close_all()


class Round:
    """The records of one round, and the time until which its hours are sealed."""

    def __init__(self, number: int) -> None:
        from tests.support.digests import DAY, row

        start = DAY + timedelta(hours=number * HOURS)
        self.until = start + timedelta(hours=HOURS)
        moments = [start + timedelta(minutes=random.uniform(0, 120)) for _ in range(RECORDS)]
        self.rows: list[Any] = [
            row(moment, f"{number}", level=random.choice(["DEBUG", "INFO"]), n=place)
            for place, moment in enumerate(moments)
        ]
        before = start - timedelta(hours=HOURS, minutes=-5, seconds=-random.random())
        self.late: list[Any] = [row(before, f"late {number}")] if number else []
        self.later: list[Any] = [row(moments[0] + timedelta(seconds=1), f"later {number}")]

    def store(self, *, durably: bool = False) -> None:
        """Store the records and the late one. The database may forget them unless `durably` is true."""
        from systemlog.storage import get_storage

        with transaction.atomic():
            if durably and connection.vendor == "postgresql":
                connection.cursor().execute("SET LOCAL synchronous_commit = on")
            get_storage().insert(self.rows[: RECORDS // 2] if durably else [*self.rows, *self.late])
        connections.close_all()

    def settle(self, folder: Path) -> str | None:
        """Store everything again, seal, and attack. Return what is wrong, or None if all is as it must be."""
        from systemlog.storage import get_storage
        from tests.support.digests import seal, sql, verify

        self.store()
        get_storage().insert(self.later)
        try:
            seal(self.until)
        except CommandError as error:
            return f"not sealed: {error}"
        if told := verify():
            return f"told after sealing: {told}"
        lines = [line for (line,) in sql("SELECT line FROM system_log_digest ORDER BY number")]
        if (folder / "digests" / "digests.ndjson").read_text().split("\n")[:-1] != lines:
            return "the copy outside differs from the table"
        hour, message = self._alter("altered")
        seal(self.until)
        if (told := verify()) != [hour]:
            return f"after {hour} was altered, these hours were told: {told}"
        self._alter(message)
        connections.close_all()
        return None

    def _alter(self, message: str) -> tuple[str, str]:
        """Change the message of the record that came late. Return its hour and its message before."""
        from tests.support.digests import adapted, adapted_id, attack, sql

        (later,) = self.later
        key = adapted(later.timestamp), adapted_id(later.id)
        where = "WHERE timestamp = %s AND id = %s"
        before = sql(f"SELECT message FROM system_logs {where}", *key)[0][0]
        attack(f"UPDATE system_logs SET message = %s {where}", message, *key)
        return later.timestamp.isoformat()[:13], before


# -- kinds of kills


def killed_at(this: Round, step: str) -> bool:
    """Run a sealer that is killed at one step. Return whether it has reached the step."""
    module_name, name, before = STEPS[step]

    def work() -> None:
        owner: Any = import_module(f"systemlog.digests.{module_name}")
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        called = getattr(owner, last)
        calls = iter(range(random.randrange(3)))

        def killing(*arguments: Any, **options: Any) -> Any:
            kills = next(calls, None) is None
            if kills and name == "os.write":
                called(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if kills and before:
                die()
            found = called(*arguments, **options)
            if kills:
                die()
            return found

        setattr(owner, last, killing)
        this.store()
        seal_round(this)

    return os.WIFSIGNALED(os.waitpid(in_child(work), 0)[1])


def killed_somewhere(this: Round) -> bool:
    """Run a sealer, and kill it at any moment."""
    with killed_soon(lambda: work_until_killed(this)):
        time.sleep(random.random() * LONGEST_S)
    return True


def killed_beside_a_verifier(this: Round) -> bool:
    """Verify while a sealer is at work, which is killed afterwards. Nothing may be told."""
    from tests.support.digests import verify

    with killed_soon(lambda: work_until_killed(this)):
        for _ in range(3):
            if told := verify():
                raise AssertionError(f"A verification beside a sealer told {told}.")
            connections.close_all()
    return True


def killed_beside_a_pruner(this: Round) -> bool:
    """Prune while a sealer is at work, and kill one after the other."""

    def prune_until_killed() -> None:
        from systemlog.retention.prune import prune
        from systemlog.storage.expiry import Policy

        while True:
            now = datetime.now(UTC)
            for levels in (("DEBUG",), ()):
                cutoff = this.until - timedelta(hours=random.randrange(2, 40 if levels else 80))
                prune([Policy(keep=now - cutoff, levels=levels)], now=now, trust_clock=True)

    works = [prune_until_killed, lambda: work_until_killed(this)]
    random.shuffle(works)
    with killed_soon(works[0]), killed_soon(works[1]):
        time.sleep(random.random() * LONGEST_S * 2)
    return True


def killed_database(this: Round, server: Server, *, after: bool = False) -> bool:
    """Crash PostgreSQL while a sealer is at work, or `after` a seal, so that it forgets what was sealed."""
    child = in_child(lambda: seal_round(this) if after else work_until_killed(this))
    if after:
        os.waitpid(child, 0)
    else:
        time.sleep(random.random() * LONGEST_S * 2)
    server.stop(how=signal.SIGQUIT)
    server.start()
    if not after:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return True


def set_back(this: Round, folder: Path) -> bool:
    """Copy the database, seal, and put the copy back."""
    with contextlib.closing(sqlite3.connect(folder / "db")) as now, sqlite3.connect(":memory:") as copy:
        now.backup(copy)
        this.store()
        os.waitpid(in_child(lambda: seal_round(this)), 0)
        copy.backup(now)
    return True


def work_until_killed(this: Round) -> None:
    """Store records and seal without end."""
    while True:
        with contextlib.suppress(DatabaseError, InterfaceError, CommandError):
            this.store()
            seal_round(this)
        connections.close_all()


def seal_round(this: Round) -> None:
    """Seal the hours of the round, one after the other."""
    from systemlog.digests.sealing import seal

    for hours in reversed(range(HOURS)):
        seal(this.until - timedelta(hours=hours))


if __name__ == "__main__":
    sys.exit(main())
