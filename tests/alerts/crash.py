"""Kills evaluators and PostgreSQL between any two steps, round after round, and counts the messages of a receiver.

    python -m tests.alerts.crash [--rounds 50] [--database sqlite|postgresql] [--pg-bin DIR]

Each round has a rule and a burst of its own. Its alert must be reported as firing and as resolved, each in one message,
which may arrive twice under its id. The burst is an error group of its own too, and must be reported once by a rule
about new groups. The program starts the servers that it needs. It exits with 1 at the first message that is lost or
doubled.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection, connections, transaction

from tests.support import receivers
from tests.support.crash_rounds import read_options
from tests.support.postgresql import Server, running_server
from tests.support.receivers import Hook

BURST = 6
DEADLINE_S = 60
LONGEST_S = 0.25
FORGETFUL = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
"""Settings of a server that loses the commits of the last seconds when it crashes."""

NEW_ERROR = "new error"
STEPS = {
    "after a new group was counted": ("new_groups", "events_after", False),
    "before the states are written": ("evaluator", "Evaluator._write", True),
    "before the commit": ("evaluator", "tell", False),
    "after the commit": ("leases", "note", True),
    "before a message is claimed": ("outbox", "claim", True),
    "after a message was claimed": ("outbox", "claim", False),
    "after a message was sent": ("outbox", "finish", True),
    "after it was noted as sent": ("outbox", "finish", False),
}
"""Where a process is killed: a function of a module, and whether before or after the call of the function."""


def main() -> int:
    """Run the rounds, and return the exit code."""
    options = read_options(__doc__, rounds=50)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hook = stack.enter_context(receivers.hook())
        server = None
        if options.database == "postgresql":
            server = stack.enter_context(running_server(options.pg_bin, settings=FORGETFUL))
        kinds: dict[str, Callable[[], None]] = {step: lambda step=step: killed_at(step) for step in STEPS}
        kinds["at any moment"] = killed_somewhere
        if server is not None:
            kinds["PostgreSQL at any moment"] = lambda: killed_database(server)
        rules = [f"{kind} {number}" for kind in kinds for number in range(options.rounds)]
        configure(folder, server, hook, rules)
        for kind, kill in kinds.items():
            for number in range(options.rounds):
                rule = f"{kind} {number}"
                burst(rule)
                kill()  # while it fires
                settle(lambda hook=hook, rule=rule: {(rule, "firing"), (NEW_ERROR, "firing")} <= told(rule, hook))
                kill()  # while it is resolved
                settle(lambda hook=hook, rule=rule: (rule, "resolved") in told(rule, hook))
                if wrong := compare(rule, hook):
                    print(f"{rule}: {wrong}")
                    return 1
            print(f"{kind}: {options.rounds} rounds, each told once", flush=True)
    return 0


def configure(folder: Path, server: Server | None, hook: Hook, rules: list[str]) -> None:
    """Set up Django with the log alone, and a rule for each round."""
    from ops_platform.parsers import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db"), "OPTIONS": SQLITE_OPTIONS}
    settings.configure(
        DATABASES={"default": sqlite if server is None else database(server.url())},
        INSTALLED_APPS=["systemlog"],
        SYSTEMLOG={
            "JOURNAL": "direct",
            "JOURNAL_DIR": str(folder / "journal"),
            "ALERTS": [
                {"name": rule, "category": rule, "more_than": 5, "within": "1s", "keep_firing": "0s", "to": ["hook"]}
                for rule in rules
            ]
            + [{"name": NEW_ERROR, "new_group": True, "to": ["hook"]}],
            "ALERT_RECEIVERS": {"hook": {"webhook": hook.url}},
        },
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    connections.close_all()


def burst(rule: str) -> None:
    """Land a burst of records that makes the rule fire, and that has already ended."""
    from systemlog.journal.directory import make_folder, target_folder
    from systemlog.landing import Lander
    from tests.support.landing import row, write

    folder = target_folder()
    make_folder(folder)
    ago = timedelta(seconds=30)
    write(folder, [row("no", ago=ago, level="ERROR")._replace(category=rule) for _ in range(BURST)])
    Lander(folder).land_all()
    if connection.vendor == "postgresql":  # no crash may lose the burst itself
        connection.cursor().execute("CREATE TABLE IF NOT EXISTS flushed (at int)")
        with transaction.atomic():
            connection.cursor().execute("SET LOCAL synchronous_commit = on")
            connection.cursor().execute("INSERT INTO flushed VALUES (1)")
    connections.close_all()


# -- kinds of kills


def killed_at(step: str) -> None:
    """Run a process that is killed at one step, if it reaches the step."""
    module_name, name, before = STEPS[step]

    def work() -> None:
        from importlib import import_module

        owner: Any = import_module(f"systemlog.alerts.{module_name}")
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        called = getattr(owner, last)

        def killing(*arguments: Any, **options: Any) -> Any:
            if before:
                die()
            found = called(*arguments, **options)
            die()
            return found

        setattr(owner, last, killing)
        evaluate_and_deliver()

    os.waitpid(in_child(work), 0)


def killed_somewhere() -> None:
    """Run a process that evaluates and delivers repeatedly, and kill it."""
    child = in_child(work_until_killed)
    time.sleep(random.random() * LONGEST_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def killed_database(server: Server) -> None:
    """Crash PostgreSQL while a process evaluates and delivers, and kill the process afterwards."""
    child = in_child(work_until_killed)
    time.sleep(random.random() * LONGEST_S)
    server.stop(how=signal.SIGQUIT)
    server.start()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def work_until_killed() -> None:
    """Evaluate and deliver without end."""
    while True:
        with contextlib.suppress(DatabaseError, InterfaceError):
            evaluate_and_deliver()
        connections.close_all()


def evaluate_and_deliver() -> None:
    """Do once what the duties do."""
    from systemlog.alerts.deliverer import Deliverer
    from systemlog.alerts.evaluator import Evaluator

    Evaluator().evaluate()
    Deliverer("crash").deliver_once()


def settle(is_told: Callable[[], bool]) -> None:
    """Evaluate and deliver without kills until `is_told()` is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_told():
        if time.monotonic() > deadline:
            raise TimeoutError("Nothing was told.")
        os.waitpid(in_child(evaluate_and_deliver), 0)


def compare(rule: str, hook: Hook) -> str | None:
    """Return what is wrong with the messages about a round and with its records, or None if both are right."""
    from systemlog.models import SystemLog

    ids = defaultdict(set)
    for transition, message_id in messages(rule, hook):
        ids[transition].add(message_id)
    if counts := {transition: len(found) for transition, found in ids.items() if len(found) != 1}:
        return f"told more than once: {counts}"
    if set(ids) != {(rule, "firing"), (rule, "resolved"), (NEW_ERROR, "firing")}:
        return f"told {sorted(ids)}"
    found = SystemLog.objects.filter(subject=f"alert:{rule}").values_list("category", flat=True)
    if sorted(found) != ["alert.firing", "alert.resolved"]:
        return f"the log has {sorted(found)}"
    of_group = SystemLog.objects.filter(subject=f"alert:{NEW_ERROR}", context__group=group_of(rule))
    if (number := of_group.count()) != 1:
        return f"the log has {number} records of the new group"
    connections.close_all()
    return None


def told(rule: str, hook: Hook) -> set[tuple[str, str]]:
    """Return the rule and the status of each message about a round."""
    return {transition for transition, _ in messages(rule, hook)}


def messages(rule: str, hook: Hook) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the rule and status of each message about a round, and the id of the message."""
    group = group_of(rule)
    for request in list(hook.received):
        body = request.json
        for alert in body.get("alerts", [body]):
            if alert["rule"] == rule or (group is not None and alert.get("group") == group):
                yield (alert["rule"], alert["status"]), request.headers["webhook-id"]


def group_of(rule: str) -> str | None:
    """Return the id of the error group of a round, or None if it is not counted yet."""
    from systemlog.models import Group

    found = Group.objects.filter(category=rule).values_list("id", flat=True).first()
    connections.close_all()
    return found


def in_child(work: Callable[[], None]) -> int:
    """Run a function in a process of its own, and return the id of the process."""
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(BaseException):
        work()
    os._exit(0)


def die() -> None:
    """End this process as a kill does."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
