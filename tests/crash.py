"""Kills writers, landers and PostgreSQL in mid-work, round after round, and counts what is in the table then.

    python -m tests.crash [--rounds 200] [--database sqlite|postgresql] [--pg-bin DIR]

Every record whose call returned must be there once. Each round has a category of its own; its numbers are the records'
messages. It starts what it needs, and ends with 1 at the first record that is lost or doubled.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction

from tests.support.crash_rounds import read_options
from tests.support.postgresql import Server, running_server

BACKLOG = 1000
WRITERS = 2
MAX_WRITING_S = 0.3
MAX_LANDING_S = 0.2
DEADLINE_S = 60
FORGETFUL = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
"""A server that loses what it committed in the last seconds, if it crashes."""


def main() -> int:
    """Run the rounds; gives the exit code."""
    options = read_options(__doc__, rounds=200)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None
        if options.database == "postgresql":
            server = stack.enter_context(running_server(options.pg_bin, settings=FORGETFUL))
        configure(folder, server)
        kinds: dict[str, Callable[[str], set[str]]] = {
            "a writer in mid-write": kill_writers,
            "the lander before its commit": lambda name: kill_lander(name, before_commit=True),
            "the lander after its commit": lambda name: kill_lander(name, before_commit=False),
            "the lander at any moment": kill_lander_somewhere,
        }
        if server is not None:
            kinds["PostgreSQL in mid-COPY"] = lambda name: kill_postgresql(name, server)
            kinds["PostgreSQL after the commit"] = lambda name: kill_postgresql(name, server, after_commit=True)
        for kind, run in kinds.items():
            records = 0
            for number in range(options.rounds):
                name = f"{kind} {number}"
                accepted = run(name)
                land_rest()
                records += len(accepted)
                if wrong := compare(name, accepted):
                    print(f"{name}: {wrong}")
                    return 1
            print(f"{kind}: {options.rounds} rounds, {records} accepted records, each stored once", flush=True)
    return 0


def configure(folder: Path, server: Server | None) -> None:
    """Django, with the log alone, on the database; its table, and a journal in `folder`."""
    from ops_platform.parsers import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db"), "OPTIONS": SQLITE_OPTIONS}
    settings.configure(
        DATABASES={"default": sqlite if server is None else database(server.url())},
        INSTALLED_APPS=["systemlog"],
        SYSTEMLOG={"JOURNAL_DIR": str(folder / "journal"), "JOURNAL_KEEP_S": 0.0},
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    connections.close_all()


# -- kinds of rounds


def kill_writers(name: str) -> set[str]:
    """Writers that log as fast as they can, each killed somewhere; a number is told when its call has returned."""
    pipes = []
    for writer in range(WRITERS):
        read, write = os.pipe()

        def log(writer: int = writer, write: int = write) -> None:
            logger = make_logger(name)
            for number in range(10**6):
                logger.info("%s", f"{writer}-{number}")
                os.write(write, f"{writer}-{number}\n".encode())

        pipes.append((in_child(log), read))
        os.close(write)
    accepted = set()
    for child, read in pipes:
        told = reading(read)
        time.sleep(random.random() * MAX_WRITING_S)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        # The last number may be cut short: its call had returned, but it is another number then.
        accepted |= {line for line in told().decode().split("\n")[:-1] if line}
    return accepted


def kill_lander(name: str, *, before_commit: bool) -> set[str]:
    """A lander that is killed when it has stored a batch, or when the batch is committed."""
    accepted = write_backlog(name)

    def land() -> None:
        from systemlog.landing import Lander
        from systemlog.storage.checkpoints import Checkpoints

        moved = Checkpoints.move

        def move(*args: object) -> None:
            moved(*args)
            if before_commit:
                die()
            transaction.on_commit(die)

        Checkpoints.move = move
        Lander(folder_now(), batch_lines=random.randint(1, BACKLOG)).land_all()

    os.waitpid(in_child(land), 0)
    return accepted


def kill_lander_somewhere(name: str) -> set[str]:
    """A lander that is killed at any moment."""
    accepted = write_backlog(name)

    def land() -> None:
        from systemlog.landing import Lander

        Lander(folder_now(), batch_lines=random.randint(100, 1000)).land_all()

    child = in_child(land)
    time.sleep(random.random() * MAX_LANDING_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return accepted


def kill_postgresql(name: str, server: Server, *, after_commit: bool = False) -> set[str]:
    """PostgreSQL crashes while a lander is at work, or as soon as it is done, and is started again.

    This server commits without waiting for its log, and the journal keeps nothing that has landed.
    """
    accepted = write_backlog(name)

    def land() -> None:
        from systemlog.landing import DatabaseDown, Lander

        lines = BACKLOG if after_commit else random.randint(500, BACKLOG)
        with contextlib.suppress(DatabaseDown):
            Lander(folder_now(), batch_lines=lines).land_all()

    child = in_child(land)
    if after_commit:
        os.waitpid(child, 0)
    else:
        time.sleep(random.random() * MAX_LANDING_S)
    server.stop(how=signal.SIGQUIT)
    server.start()
    if not after_commit:
        os.waitpid(child, 0)
    return accepted


# -- what they are made of


def write_backlog(name: str) -> set[str]:
    """Records that wait; their writer has ended."""

    def log() -> None:
        logger = make_logger(name)
        for number in range(BACKLOG):
            logger.info("%s", str(number))

    os.waitpid(in_child(log), 0)
    return {str(number) for number in range(BACKLOG)}


def land_rest() -> None:
    """What the next lander does."""

    def land() -> None:
        from systemlog.landing import DatabaseDown, Lander

        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(DatabaseDown):
                lander = Lander(folder_now())
                lander.land_all()
                return
            time.sleep(0.05)

    os.waitpid(in_child(land), 0)


def compare(name: str, accepted: set[str]) -> str:
    """What is wrong with the round's records in the table; nothing if all is well."""
    from systemlog.models import SystemLog

    stored = list(SystemLog.objects.filter(category=name).values_list("message", flat=True))
    connections.close_all()
    if lost := accepted - set(stored):
        return f"{len(lost)} records are lost, {min(lost)} among them"
    if len(stored) > len(set(stored)):
        return f"{len(stored) - len(set(stored))} records are there twice"
    return ""


def make_logger(name: str) -> logging.Logger:
    """A logger whose category is the round."""
    from systemlog.journal import SystemLogHandler

    logger = logging.Logger(name, logging.INFO)  # noqa: LOG001  (outside logging's tree)
    logger.addHandler(SystemLogHandler())
    return logger


def folder_now() -> Path:
    """The folder of the journal."""
    from systemlog.journal import directory

    return directory.target_folder()


def in_child(work: Callable[[], None]) -> int:
    """Do it in a forked process; gives its pid."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def reading(descriptor: int) -> Callable[[], bytes]:
    """Reads on, so that the pipe never fills; the result gives all of it, when the other end is closed."""
    parts: list[bytes] = []

    def read() -> None:
        while data := os.read(descriptor, 65536):
            parts.append(data)
        os.close(descriptor)

    thread = threading.Thread(target=read)
    thread.start()

    def whole() -> bytes:
        thread.join()
        return b"".join(parts)

    return whole


def die() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
