"""The chain of digests: the table in the database, and its copy outside. One process at a time appends to the chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from systemlog.compat import separate_connection
from systemlog.digests.keys import Signer
from systemlog.digests.outside import Outside
from systemlog.digests.statements import KEY, Statement, read, write, write_hour
from systemlog.digests.states import States
from systemlog.exceptions import SystemLogError
from systemlog.models import Digest
from systemlog.storage import Storage
from systemlog.storage.advisory_locks import DIGESTS_LOCK, LOCK_SQL, TRY_LOCK_SQL

LINES_AT_ONCE = 500
NO_DIGEST = "0" * 64
"""The `previous` of the first digest."""


class DigestsBusy(SystemLogError):
    """Another process is sealing, pruning or accepting at the moment."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class Chain:
    """The digests of one log."""

    def __init__(self, storage: Storage, outside: Outside) -> None:
        self.storage = storage
        self.outside = outside
        self.alias = storage.connection.alias

    @contextmanager
    def exclusive(self, *, wait: bool) -> Iterator[None]:
        """Hold the lock of the chain, which one process of all hosts can hold.

        Without `wait`, raises `DigestsBusy` if another process holds the lock.
        """
        with self.outside.locked(wait=wait) as locked:
            if not locked:
                raise DigestsBusy
            if self.storage.connection.vendor != "postgresql":
                yield
                return
            with separate_connection(self.storage.connection) as own:
                with own.cursor() as cursor:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                    cursor.execute(TRY_LOCK_SQL, [DIGESTS_LOCK])
                    if not cursor.fetchone()[0]:
                        if not wait:
                            raise DigestsBusy
                        cursor.execute(LOCK_SQL, [DIGESTS_LOCK])
                yield

    def head(self) -> Statement | None:
        """Return the last digest of the table, or None if the table is empty. Raises `NotAStatement`."""
        line = Digest.objects.using(self.alias).order_by("-number").values_list("line", flat=True).first()
        return read(line) if line is not None else None

    def last_number(self) -> int:
        """Return the number of the last digest of the table, or 0 if the table is empty."""
        return Digest.objects.using(self.alias).order_by("-number").values_list("number", flat=True).first() or 0

    def line(self, number: int) -> str | None:
        """Return the line of a digest of the table, or None if the digest is missing."""
        found = Digest.objects.using(self.alias).filter(number=number).values_list("line", flat=True)
        return found.first()

    def numbered_lines(self, after: int = 0) -> Iterator[tuple[int, str]]:
        """Yield number and line of each digest of the table after the number `after`, in order."""
        while True:
            rows = Digest.objects.using(self.alias).filter(number__gt=after).order_by("number")
            some = list(rows.values_list("number", "line")[:LINES_AT_ONCE])
            if not some:
                return
            yield from some
            after = some[-1][0]

    def append(self, signer: Signer, kind: str, *, until: datetime | None, **said: Any) -> Statement:
        """Sign a digest, and store it in the caller's transaction. After the commit, the copy outside gets it too.

        The caller must hold `exclusive`.
        """
        head = self.head()
        whole: dict[str, Any] = {
            "kind": kind,
            "number": head.number + 1 if head else 1,
            "previous": head.sha256 if head else NO_DIGEST,
            "until": write_hour(until) if until else None,
            **said,
        }
        digest = write(whole, signer)
        self.put([digest])
        transaction.on_commit(lambda: self.outside.append([digest.line]), using=self.alias)
        return digest

    def put(self, digests: list[Statement]) -> None:
        """Store digests in the table only, not in the copy outside."""
        Digest.objects.using(self.alias).bulk_create(
            [Digest(number=one.number, kind=one.kind, hour=one.hour, line=one.line) for one in digests],
            batch_size=LINES_AT_ONCE // 5,
        )

    def introduce_key(self, signer: Signer, states: States) -> None:
        """Append a digest that introduces the signer's key, if this key is not the chain's current one.

        Notes that the previous key has signed still count during this run.
        """
        if signer.public.id in states.may_note:
            return
        before = set(states.may_note)
        with transaction.atomic(using=self.alias):
            digest = self.append(signer, KEY, until=states.until, public=signer.public.raw.hex())
        states.apply(digest)
        states.may_note |= before
