"""The lease: of the processes of all hosts, the one that holds it evaluates the rules and sends the messages.

The lease is a row and not a session-level lock, so that it also works with a pooler that gives each transaction another
session. The lease only saves the other hosts the work: two evaluators at once would report nothing twice, because each
locks the rows of the states that it changes.
"""

from __future__ import annotations

import socket
import uuid
from datetime import datetime, timedelta

from django.db.models import Q

from systemlog.conf import conf
from systemlog.journal.directory import JournalUnusable, make_folder, target_folder
from systemlog.models import AlertEvaluator

ROW = 1
LEAST = timedelta(seconds=5)
FILE = "evaluator"


def holder() -> str:
    """Return the name under which the lander of this journal holds the lease.

    The name stays the same after a restart. The new process holds the lander's lock, which proves that the previous
    process has ended, so the new one can take over the lease at once.
    """
    try:
        folder = target_folder()
        make_folder(folder)
        path = folder / FILE
        if not path.exists():
            path.write_text(uuid.uuid4().hex)
        return f"{socket.gethostname()}:{path.read_text()[:32]}"
    except (JournalUnusable, OSError):
        return f"{socket.gethostname()}:{uuid.uuid4().hex}"


def acquire(name: str, now: datetime, interval_s: float) -> bool:
    """Take or extend the lease. Returns whether this process holds it. Raises `DatabaseError`."""
    until = now + max(LEAST, timedelta(seconds=2 * interval_s))
    rows = AlertEvaluator.objects.using(conf().DATABASE)
    free = Q(holder=name) | Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    if rows.filter(free, pk=ROW).update(holder=name, leased_until=until):
        return True
    if rows.filter(pk=ROW).exists():
        return False
    rows.bulk_create([AlertEvaluator(id=ROW)], ignore_conflicts=True)
    return bool(rows.filter(free, pk=ROW).update(holder=name, leased_until=until))


def has(name: str, now: datetime) -> bool:
    """Whether this process holds the lease. Raises `DatabaseError`."""
    return AlertEvaluator.objects.using(conf().DATABASE).filter(pk=ROW, holder=name, leased_until__gt=now).exists()


def release(name: str) -> None:
    """Give the lease back. Raises `DatabaseError`."""
    AlertEvaluator.objects.using(conf().DATABASE).filter(pk=ROW, holder=name).update(leased_until=None)


def note(now: datetime, duration_s: float) -> None:
    """Record when the last evaluation took place, and how long it took. Raises `DatabaseError`."""
    rows = AlertEvaluator.objects.using(conf().DATABASE)
    if not rows.filter(pk=ROW).update(evaluated_at=now, duration_s=duration_s):
        rows.bulk_create([AlertEvaluator(id=ROW, evaluated_at=now, duration_s=duration_s)], ignore_conflicts=True)
