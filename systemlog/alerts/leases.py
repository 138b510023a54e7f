"""The lease by which one process of all evaluates the rules and sends the messages.

It is a row and not a session's lock, so that it also holds where a pooler gives each transaction another session. Two
evaluators at once would tell nothing twice, because each locks the rows of the states that it changes; the lease saves
the other hosts the work.
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

    It stays the same when the process starts again: the lander's lock says that the process before has ended, so its
    lease is taken over at once.
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
    """Take or prolong the lease, and return whether this process has it. Raises `DatabaseError`."""
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
    """Whether this process has the lease. Raises `DatabaseError`."""
    return AlertEvaluator.objects.using(conf().DATABASE).filter(pk=ROW, holder=name, leased_until__gt=now).exists()


def release(name: str) -> None:
    """Give the lease back. Raises `DatabaseError`."""
    AlertEvaluator.objects.using(conf().DATABASE).filter(pk=ROW, holder=name).update(leased_until=None)


def note(now: datetime, duration_s: float) -> None:
    """Note when the last evaluation was, and how long it took. Raises `DatabaseError`."""
    rows = AlertEvaluator.objects.using(conf().DATABASE)
    if not rows.filter(pk=ROW).update(evaluated_at=now, duration_s=duration_s):
        rows.bulk_create([AlertEvaluator(id=ROW, evaluated_at=now, duration_s=duration_s)], ignore_conflicts=True)
