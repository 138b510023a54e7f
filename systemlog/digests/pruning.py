"""The witness that the storages call: it writes notes of late records, and digests of what retention removes.

Before records of a sealed hour are removed, the hour is compared with its state. The digest `pruned` says what stays
and what was removed. An hour that was not as it was sealed is marked as broken, and verification reports it from then
on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.conf import conf
from systemlog.digests.agreement import agree
from systemlog.digests.archives import Held
from systemlog.digests.chain import Chain
from systemlog.digests.keys import Signer, signer
from systemlog.digests.merkle import EMPTY
from systemlog.digests.notes import Notes, forget, noting
from systemlog.digests.outside import outside
from systemlog.digests.sealing import Outcome, fold
from systemlog.digests.statements import ARCHIVED, HOUR, PRUNED, hour_of, read_hour, write_hour
from systemlog.digests.states import States
from systemlog.digests.tally import Tally, empty_tally, tally_hours
from systemlog.storage import Storage, get_storage
from systemlog.storage.calendar import Span
from systemlog.storage.conditions import Condition
from systemlog.storage.witness import Keys, Removal, Witness


class DigestWitness(Witness):
    """Writes notes of late records and digests of pruned ones. Does nothing without a key."""

    def noting(
        self, connection: BaseDatabaseWrapper, hours: Callable[[], Iterable[datetime]], keys: Keys
    ) -> AbstractContextManager[object]:
        """Write notes of the records that the block stores in closed hours."""
        return noting(connection, hours(), keys) if conf().DIGEST_KEY else nullcontext()

    def removing(self, connection: BaseDatabaseWrapper, waiting: Callable[[], None]) -> AbstractContextManager[Removal]:
        """Write digests of what a run of retention removes. Raises what `seal` raises."""
        return _removing(get_storage(connection.alias)) if conf().DIGEST_KEY else nullcontext(Removal())


@contextmanager
def _removing(storage: Storage) -> Iterator[Removal]:
    signer_ = signer()
    chain = Chain(storage, outside())
    with chain.exclusive(wait=True):
        states = agree(chain, signer_)
        if states.until is None:
            yield Removal()
            return
        # Notes are taken in first, so that the digests `pruned` have few of them.
        fold(chain, signer_, states, Outcome())
        yield DigestRemoval(chain, signer_, states)


class DigestRemoval(Removal):
    """Writes digests of the records that one run of retention removes."""

    watches = True

    def __init__(self, chain: Chain, signer_: Signer, states: States) -> None:
        self._chain = chain
        self._signer = signer_
        self._states = states
        self._tallies: list[Tally] = []
        self._held: Held | None = None
        self._archive: str | None = None
        self._unsigned: dict[str, object] | None = None
        """What the next digest `archived` says about a file that no digest names yet."""
        self._hours_of_file: list[str] = []

    def read(self, table: str, span: Span, condition: Condition) -> None:
        """Tally the sealed hours of a span, in the snapshot of which records are removed."""
        self._tallies = []
        until = self._states.until
        if until is None or span.lower >= until:
            return
        since, until = hour_of(span.lower), min(span.upper, until)
        notes = Notes(self._chain.storage, self._states, since, until)
        expected = [hour for hour in self._states.filled() if since <= hour < until]
        leaves = self._chain.outside.leaves
        for tally in tally_hours(
            self._chain.storage, since, until, notes, table=table, condition=condition, leaves=leaves
        ):
            while expected and expected[0] < tally.hour:
                self._tallies.append(empty_tally(expected.pop(0)))
            if expected and expected[0] == tally.hour:
                expected.pop(0)
            self._tallies.append(tally)
        self._tallies += map(empty_tally, expected)

    def sign(self) -> None:
        """Append a digest for each hour that was read and loses records."""
        self._sign_archive()
        for tally in self._tallies:
            if tally.goes is None or not tally.goes.count:
                continue
            assert tally.stays is not None  # noqa: S101  (`goes` and `stays` are set together)
            state = self._states.of(tally.hour)
            self._append(
                PRUNED,
                hour=write_hour(tally.hour),
                hours=1,
                count=tally.stays.count,
                root=tally.stays.root().hex(),
                gone={"count": tally.goes.count, "root": tally.goes.root().hex()},
                **({} if tally.holds(state) else {"broken": True}),
                **({"archive": self._archive} if self._archive else {}),
                **({"notes": [note.sha256 for note in tally.notes]} if tally.notes else {}),
            )
            forget(self._chain.storage, tally.notes)
        self._tallies = []

    def drop(self, span: Span) -> None:
        """Append a digest for a span that is empty from now on. Its records need not be read: digests state them."""
        until = self._states.until
        if until is None or span.lower >= until:
            return
        since, until = hour_of(span.lower), min(span.upper, until)
        notes = Notes(self._chain.storage, self._states, since, until)
        notes.load()
        taken = [note for hour in notes.hours() for note in notes.of(hour)]
        hours = (until - since) // HOUR
        self._append(
            PRUNED,
            hour=write_hour(since),
            hours=hours,
            count=0,
            root=EMPTY.hex(),
            gone={"count": sum(self._count(hour) for hour in self._states.filled() if since <= hour < until)},
            **({"notes": [note.sha256 for note in taken]} if taken else {}),
        )
        forget(self._chain.storage, taken)

    def archiving(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on the lines that are written to an archive, and hash them."""
        self._held = Held()
        return self._held.watch(blocks)

    def archived(self, file: str, content_sha256: str) -> None:
        """Remember a file of an archive. The next `sign` appends its digest, and the digests `pruned` name the file.

        Nothing is written here, because the connection may still be reading the archived records.
        """
        self._archive = content_sha256
        held, self._held = self._held, None
        if held is not None and content_sha256 not in self._states.archives:
            self._unsigned = {"file": file, "content_sha256": content_sha256, "held": held.hours()}
            self._hours_of_file = [hour for hour, _, _ in held.hours()]

    def finish(self) -> None:
        """Append the digest of a file of an archive whose records were not removed."""
        if self._unsigned is not None:
            self._unsigned["broken"] = self._altered_hours()
            if not self._unsigned["broken"]:
                del self._unsigned["broken"]
        with transaction.atomic(using=self._chain.alias):
            self._sign_archive()
        self._archive = None

    def _altered_hours(self) -> list[str]:
        """Return the hours of the new file that differ from their states, so that no later pruning hides them."""
        storage, altered = self._chain.storage, []
        for hour in sorted(map(read_hour, self._hours_of_file)):
            if self._states.until is None or hour >= self._states.until:
                break
            notes = Notes(storage, self._states, hour, hour + HOUR)
            tally = next(tally_hours(storage, hour, hour + HOUR, notes, leaves=self._chain.outside.leaves), None)
            state = self._states.of(hour)
            if state is None or state.broken or not (tally or empty_tally(hour)).holds(state):
                altered.append(write_hour(hour))
        return altered

    def _sign_archive(self) -> None:
        unsigned, self._unsigned = self._unsigned, None
        if unsigned is not None:
            self._append(ARCHIVED, **unsigned)

    def _append(self, kind: str, **said: object) -> None:
        digest = self._chain.append(self._signer, kind, until=self._states.until, **said)
        # If the transaction does not commit, the run continues with other partitions, and these hours are read again.
        transaction.on_commit(lambda: self._states.apply(digest) and None, using=self._chain.alias)

    def _count(self, hour: datetime) -> int:
        state = self._states.of(hour)
        return state.count if state else 0
