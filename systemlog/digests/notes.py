"""Notes: signed statements about late records.

A late record is one that this app stores in an hour that is already closed. Its note is written in the same
transaction, and the next seal takes the note in.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.digests.canonical import COLUMNS, canonical
from systemlog.digests.keys import KeyUnusable, signer
from systemlog.digests.merkle import leaf_hash
from systemlog.digests.outside import seen_frontier
from systemlog.digests.statements import (
    LATE,
    NotAStatement,
    Statement,
    hour_of,
    read_hour,
    read_note,
    write,
    write_hour,
)
from systemlog.digests.states import States
from systemlog.models import DigestFrontier, LateNote
from systemlog.records.row import COLUMNS as TABLE_COLUMNS
from systemlog.records.times import represent_time
from systemlog.storage import Storage
from systemlog.storage.conflicts import find
from systemlog.storage.witness import Keys

logger = logging.getLogger("systemlog.digests")

SLOTS = 32
"""Number of locks that the hours share. A writer holds the locks of its hours, so that they cannot close meanwhile."""

SEALED_AFTER = timedelta(minutes=5)
"""How long after the end of an hour the lander seals it."""

NOTES_READ = 20
"""Number of notes that are read at once. Each may name thousands of records."""

SHARED_SQL = """
    SELECT count(pg_advisory_xact_lock_shared(hashtext('systemlog.digests'), slot)) FROM unnest(%s::int[]) slot
"""
FRONTIER_POSTGRESQL = (
    f"SELECT until, log, current_setting('transaction_isolation') FROM {DigestFrontier._meta.db_table} WHERE id = 1"
)
FRONTIER_SQLITE = f"SELECT until, log, 'read committed' FROM {DigestFrontier._meta.db_table} WHERE id = 1"
WRITE_LOCK_SQLITE = f"UPDATE {DigestFrontier._meta.db_table} SET log = log WHERE 0"

Key = tuple[str, str]
"""Timestamp and id of a record, as in its canonical form."""

_places = [TABLE_COLUMNS.index(name) for name in COLUMNS]


class Note(NamedTuple):
    """A valid note that no digest has taken in yet. `Notes.records` reads the records that it names."""

    row: int
    sha256: str
    hour: datetime


class Invalid(NamedTuple):
    """A note that does not count, and why. `taken` says that it was valid, and that a digest has taken it in."""

    row: int
    hour: datetime
    why: str
    taken: bool = False


@contextmanager
def noting(connection: BaseDatabaseWrapper, hours: Iterable[datetime], keys: Keys) -> Iterator[None]:
    """Write notes of the records that the block stores in closed hours, in the transaction of the block.

    `hours` are the hours in which the block may store records, and `keys` returns the keys of these records. Before the
    first digest there is no frontier, so no hour is closed.
    """
    hours = {hour_of(hour) for hour in hours}
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        found = _frontier(connection, cursor, hours)
        if found is None:
            yield
            return
        until, log = found
        closed = {hour for hour in hours if hour < until}
        if not closed:
            yield
            return
        known = {key for key, _ in _stored(connection, cursor, keys(lambda instant: hour_of(instant) in closed))}
        yield
        now = _stored(connection, cursor, keys(lambda instant: hour_of(instant) in closed))
        by_hour: dict[str, dict[Key, bytes]] = defaultdict(dict)
        for key, leaf in now:
            if key not in known:
                by_hour[key[0][:13]][key] = leaf
        _write(connection, log, by_hour)


def slots_of(hours: Iterable[datetime]) -> list[int]:
    """Return the locks of these hours, in rising order."""
    return sorted({(hour.toordinal() * 24 + hour.hour) % SLOTS for hour in hours})


class Notes:
    """The notes of a span of hours. The states of the chain decide which notes are valid."""

    def __init__(self, storage: Storage, states: States, since: datetime, until: datetime) -> None:
        self._rows = LateNote.objects.using(storage.connection.alias).filter(hour__gte=since, hour__lt=until)
        self.states = states
        self._last = 0
        self.invalid: list[Invalid] = []
        self._by_hour: dict[str, list[Note]] = defaultdict(list)

    def load(self) -> bool:
        """Read the notes that were written since the last call. Returns whether there were any."""
        before = self._last
        rows = self._rows.order_by("id").values_list("id", "hour", "line")
        while some := list(rows.filter(id__gt=self._last)[:NOTES_READ]):
            for row, hour, line in some:
                self._last = row
                note = self._check(row, hour, line)
                if isinstance(note, Invalid):
                    self.invalid.append(note)
                else:
                    self._by_hour[write_hour(note.hour)].append(note)
        return self._last != before

    def of(self, hour: str) -> Sequence[Note]:
        """Return the loaded valid notes of an hour."""
        return self._by_hour.get(hour, ())

    def hours(self) -> list[str]:
        """Return the hours with valid notes, in order."""
        return sorted(self._by_hour)

    def records(self, notes: Iterable[Note]) -> Iterator[tuple[Key, bytes]]:
        """Yield key and leaf hash of each record in these notes. They are read again, so that few are in memory."""
        for note in notes:
            line = self._rows.filter(id=note.row).values_list("line", flat=True).first()
            if line is not None and (said := read_note(line)).sha256 == note.sha256:
                yield from _records(said)

    def _check(self, row: int, hour: datetime, line: str) -> Note | Invalid:
        try:
            said = read_note(line)
            key = self.states.keys.get(said.key) if said.key in self.states.may_note else None
            if said.hour is None or said.said["log"] != self.states.log:
                return Invalid(row, hour, "a note of another log")
            if key is None or not said.is_signed_by(key):
                return Invalid(row, hour, "a note that no key of this log has signed")
            times = {at[:13] for (at, _), _ in _records(said)}
        except (NotAStatement, KeyError, ValueError, TypeError):
            return Invalid(row, hour, "a note that cannot be read")
        if said.sha256 in self.states.folded.get(said.hour, ()):
            return Invalid(row, hour, "a note that a digest has taken in before", taken=True)
        if hour != said.hour or times - {write_hour(said.hour)}:
            return Invalid(row, hour, "a note of another hour")
        return Note(row, said.sha256, said.hour)


def forget(storage: Storage, notes: Iterable[Note | Invalid]) -> None:
    """Delete these notes, in the caller's transaction."""
    rows = [note.row for note in notes]
    for start in range(0, len(rows), 500):
        LateNote.objects.using(storage.connection.alias).filter(id__in=rows[start : start + 500]).delete()


def _records(note: Statement) -> Iterator[tuple[Key, bytes]]:
    for at, record, leaf in note.said["records"]:
        yield (at, record), bytes.fromhex(leaf)


def _frontier(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, hours: Iterable[datetime]
) -> tuple[datetime, str] | None:
    if connection.vendor == "postgresql":
        cursor.execute(SHARED_SQL, [slots_of(hours)])
        cursor.execute(FRONTIER_POSTGRESQL)
    else:
        cursor.execute(WRITE_LOCK_SQLITE)
        cursor.execute(FRONTIER_SQLITE)
    row = cursor.fetchone()
    if row is None:
        return None
    until, log, isolation = row
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    remembered = seen_frontier()
    if remembered is not None and remembered.log == log:
        until = max(until, remembered.until)  # after a failover, the database may have forgotten that hours are closed
    if isolation != "read committed":
        # The snapshot of this transaction may be older than the frontier. So hours that may be closed count as closed.
        until = max(until, hour_of(datetime.now(UTC) - SEALED_AFTER))
    return until, log


def _stored(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, keys: Iterable[tuple[datetime, uuid.UUID | None]]
) -> list[tuple[Key, bytes]]:
    """Return the key and leaf hash of each stored record that has one of these keys."""
    adapt = connection.ops.adapt_datetimefield_value
    on_postgresql = connection.vendor == "postgresql"
    adapted = [
        (adapt(timestamp), record_id if on_postgresql else record_id.hex)
        for timestamp, record_id in dict.fromkeys(keys)
        if record_id is not None
    ]
    found = []
    for row in find(connection, cursor, adapted):
        texts: list[Any] = [row[place] for place in _places]
        texts[0] = represent_time(texts[0] if texts[0].tzinfo else texts[0].replace(tzinfo=UTC))
        texts[1] = texts[1].hex if isinstance(texts[1], uuid.UUID) else texts[1]
        found.append(((texts[0], texts[1]), leaf_hash(canonical(texts, unique_keys=on_postgresql))))
    return found


def _write(connection: BaseDatabaseWrapper, log: str, by_hour: dict[str, dict[Key, bytes]]) -> None:
    try:
        notes: list[Statement] = [
            write(
                {
                    "kind": LATE,
                    "log": log,
                    "hour": hour,
                    "records": [[*key, leaf.hex()] for key, leaf in records.items()],
                },
                signer(),
            )
            for hour, records in by_hour.items()
        ]
    except KeyUnusable as error:
        # The records are stored all the same. Verification reports their hours until an operator accepts them.
        logger.error(
            "Records were stored in sealed hours, and notes of them could not be signed.",
            extra={"action": "digests.not_noted", "reason": str(error), "hours": sorted(by_hour)[:100]},
        )
        return
    LateNote.objects.using(connection.alias).bulk_create(
        [LateNote(hour=read_hour(note.said["hour"]), line=note.line) for note in notes], batch_size=100
    )
