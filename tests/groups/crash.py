"""Kills landers, readers that add up counts, pruning and PostgreSQL in a storm of errors, and compares the counts.

    python -m tests.groups.crash [--rounds 50] [--database sqlite|postgresql] [--pg-bin DIR]

Each round lands errors of its own: a storm of one traceback, repeated records, late ones, and more kinds of errors than
an hour may have. After it, the count of each group must be the number of its records. After all rounds of a kind,
`regroup_system_logs` must find nothing wrong. The program starts the servers that it needs, and exits with 1 at the
first count that is wrong.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Count

from tests.crash import FORGETFUL, configure, die, folder_now, in_child, land_rest, make_logger
from tests.support.crash_rounds import read_options
from tests.support.postgresql import Server, running_server

STORM = 150
KINDS = 4
INVENTED = 6
LONGEST_S = 0.4
OLD = timedelta(days=40)
PRUNING = "pruning at any moment"


def main() -> int:
    """Run the rounds, and return the exit code."""
    options = read_options(__doc__, rounds=50)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None
        if options.database == "postgresql":
            server = stack.enter_context(running_server(options.pg_bin, settings=FORGETFUL))
        configure(folder, server)
        for kind, kill in kinds_of(server).items():
            for number in range(options.rounds):
                name = f"{kind} {number}"
                if wrong := run_round(name, kill, lands_first=kind == PRUNING) or compare():
                    print(f"{name}: {wrong}")
                    return 1
            if wrong := recount():
                print(f"{kind}: {wrong}")
                return 1
            print(f"{kind}: {options.rounds} rounds, {count()} records, each counted once", flush=True)
    return 0


def kinds_of(server: Server | None) -> dict[str, Callable[[str], None]]:
    """Return the kinds of kills. Each kills in a round of a name."""
    kinds: dict[str, Callable[[str], None]] = {
        "a lander before its commit": lambda name: kill_at("landing", before_commit=True),
        "a lander after its commit": lambda name: kill_at("landing", before_commit=False),
        "adding up before its commit": lambda name: kill_at("adding up", before_commit=True),
        "adding up after its commit": lambda name: kill_at("adding up", before_commit=False),
        "all at any moment": lambda name: kill_somewhere(land, add_up, add_up),
        PRUNING: lambda name: kill_somewhere(lambda: prune(name), add_up),
    }
    if server is not None:
        kinds["PostgreSQL at any moment"] = lambda name: kill_postgresql(server)
    return kinds


def run_round(name: str, kill: Callable[[str], None], *, lands_first: bool) -> str:
    """Write a storm, kill, and land the rest. Return what is wrong with the records, as text; empty if nothing is."""
    write_storm(name)
    if lands_first:
        land_rest()
        landed = count(category=name)
    kill(name)
    land_rest()
    landed = landed if lands_first else count(category=name)
    return "" if landed == 2 * STORM else f"{landed} of {2 * STORM} errors are stored"


# -- a storm


def write_storm(name: str) -> None:
    """Let two processes log errors: one through the handler, and one that repeats records, or has old ones."""
    from systemlog.journal import directory
    from systemlog.records.ids import mint_id, next_instant
    from systemlog.records.row import Row
    from tests.support.landing import write

    rows = []
    for number in range(STORM):
        instant: datetime = next_instant() - random.choice((timedelta(0), OLD))
        user, release = f"user-{number % 7}", f"{number % 3}.0"
        message = f"{name} failed for {'x' * (number % KINDS)}" if number % 2 else invent(name, number)
        rows.append(
            Row(instant, mint_id(instant), "CRITICAL" if number % 9 == 0 else "ERROR", name, f"web-{number % 2}",
                message, None, user, {"release": release}, None, None, None)
        )  # fmt: skip

    def log() -> None:
        logger = make_logger(name)
        for number in range(STORM):
            try:
                charge(number)
            except ValueError:
                logger.exception("charge %s failed", number, extra={"release": "1.0"})
            logger.info("charge %s begins", number)

    def repeat() -> None:
        folder = folder_now()
        directory.make_folder(folder)
        for some in (rows, random.sample(rows, STORM // 2)):
            write(folder, some)

    for child in (in_child(log), in_child(repeat)):
        os.waitpid(child, 0)


def invent(name: str, number: int) -> str:
    """Return a message that makes a group of its own, in few variants."""
    return f"{''.join(chr(97 + int(digit)) for digit in str(number % INVENTED))} of {name}"


def charge(number: int) -> None:
    """Fail with a traceback of two frames."""
    refuse(number)


def refuse(number: int) -> None:
    """Raise the error."""
    raise ValueError(f"order {number} was refused")


# -- kills


def land() -> None:
    """Land small batches."""
    from systemlog.landing import DatabaseDown, Lander

    with contextlib.suppress(DatabaseDown, DatabaseError):
        Lander(folder_now(), batch_lines=random.randint(5, STORM)).land_all()


def add_up() -> None:
    """Add up counts without end, as readers of groups do."""
    from systemlog.groups.folding import fold_all

    while True:
        with contextlib.suppress(DatabaseError):
            fold_all(wait=True)
        time.sleep(0.001)


def prune(name: str) -> None:
    """Prune the old records of a round."""
    from systemlog.retention.prune import prune as run
    from systemlog.storage import PartitionInUse
    from systemlog.storage.expiry import Policy

    with contextlib.suppress(DatabaseError, PartitionInUse):
        run([Policy(keep=OLD / 2, categories=(name,))], trust_clock=True)


def kill_at(step: str, *, before_commit: bool) -> None:
    """Run a process that is killed when it is about to commit, or when it has committed."""

    def work() -> None:
        from systemlog.groups.folding import _Fold, fold_all
        from systemlog.storage.checkpoints import Checkpoints

        owner: Any = Checkpoints if step == "landing" else _Fold
        method = "move" if step == "landing" else "run"
        called = getattr(owner, method)
        left = random.randint(1, 3)

        def killing(*arguments: Any) -> Any:
            nonlocal left
            found = called(*arguments)
            left -= 1
            if left == 0:
                die() if before_commit else transaction.on_commit(die)
            return found

        setattr(owner, method, killing)
        for _ in range(3):
            land()
            fold_all(wait=True)

    os.waitpid(in_child(work), 0)


def kill_somewhere(*works: Callable[[], None]) -> None:
    """Run processes beside each other, and kill them."""
    children = [in_child(work) for work in works]
    kill_all(children)


def kill_postgresql(server: Server) -> None:
    """Crash PostgreSQL while processes land and add up, and kill these afterwards."""
    children = [in_child(land), in_child(add_up)]
    time.sleep(random.random() * LONGEST_S)
    server.stop(how=signal.SIGQUIT)
    server.start()
    kill_all(children)


def kill_all(children: Sequence[int]) -> None:
    """Kill processes at a random moment."""
    time.sleep(random.random() * LONGEST_S)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# -- the comparison


def compare() -> str:
    """Return which counts differ from the records, as text; empty if none do."""
    from systemlog.groups.folding import fold_all
    from systemlog.models import Group, GroupDelta, SystemLog

    fold_all(wait=True)
    stored: Counter[tuple[str, str]] = Counter()
    records = SystemLog.objects.filter(group__isnull=False).order_by().values_list("group", "source")
    for group, source, number in records.annotate(number=Count("*")):
        stored[group or "", source] = number
    groups = {group.id: group for group in Group.objects.all()}
    others = {group.source: group.id for group in groups.values() if group.kind == "other"}
    true: Counter[str] = Counter()
    for (group, source), number in stored.items():
        true[group if group in groups else others.get(source, group)] += number
    counts = {group.id: group.count for group in groups.values()}
    ungrouped = SystemLog.objects.filter(level__in=("ERROR", "CRITICAL"), group__isnull=True).count()
    rest = GroupDelta.objects.count()
    connections.close_all()
    wrong = [
        f"{groups[each].title if each in groups else each!r} has {true[each]} records, and counts {counts.get(each)}"
        for each in sorted(counts.keys() | true.keys())
        if true[each] != counts.get(each, 0)
    ]
    if ungrouped:
        wrong.append(f"{ungrouped} errors have no group")
    if rest:
        wrong.append(f"{rest} counts were not added up")
    return "; ".join(wrong)


def recount() -> str:
    """Return what a recount of all groups changes, as text; empty if that is nothing."""
    from systemlog.groups.regrouping import Outcome, regroup

    outcome = regroup()
    connections.close_all()
    return "" if outcome == Outcome() else f"regrouping changed {outcome}"


def count(**filters: str) -> int:
    """Return the number of errors in the log."""
    from systemlog.models import SystemLog

    found = SystemLog.objects.filter(group__isnull=False, **filters).count()
    connections.close_all()
    return found


if __name__ == "__main__":
    sys.exit(main())
