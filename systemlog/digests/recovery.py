"""Putting back the last digests, which a failover of the database has forgotten.

They are put back if every hour that they state is as they say. The hour may also have late records with notes, or
records that the failover brought back because it forgot that they were pruned.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import transaction

from systemlog.digests.chain import Chain
from systemlog.digests.frontier import close_hours, move_frontier, read_frontier
from systemlog.digests.keys import Signer
from systemlog.digests.notes import Notes, forget
from systemlog.digests.statements import HOUR, PRUNED, RESTORED, STATING, Statement, write_hour
from systemlog.digests.states import State, States
from systemlog.digests.tally import Pace, Tally, empty_tally, tally_hours
from systemlog.storage.calendar import BEGINNING

logger = logging.getLogger("systemlog.digests")

TRIES = 3


class Forgotten:
    """The digests that the database has forgotten. Add the digests of the copy outside, in order."""

    def __init__(self, after: int) -> None:
        self.states = States()
        """The states that result from all digests that were added."""
        self.digests: list[Statement] = []
        self._after = after
        self._unpruned: dict[datetime, list[State]] = defaultdict(list)
        """What hours held before forgotten digests pruned them."""

    def add(self, digest: Statement) -> None:
        """Add the next digest of the copy outside."""
        if digest.number > self._after:
            self.digests.append(digest)
            for hour in self._hours_of(digest):
                if digest.kind != PRUNED:
                    self._unpruned.pop(hour, None)
                elif (state := self.states.of(hour)) is not None:
                    self._unpruned[hour].append(state)
        self.states.apply(digest)

    def _hours_of(self, digest: Statement) -> Iterable[datetime]:
        if digest.kind not in STATING or digest.hour is None:
            return []
        if digest.hours == 1:
            return [digest.hour]
        end = digest.hour + digest.hours * HOUR
        return [hour for hour in self.states.filled() if digest.hour <= hour < end]

    def put_back(self, chain: Chain, signer: Signer, pace: Pace) -> list[datetime]:
        """Put the digests back, and return nothing; or return the hours that are not as they say.

        Raises `HoursInUse` if transactions that may not know the digests are still storing records.
        """
        states = self.states
        frontier = read_frontier(chain.storage)
        if frontier is not None and states.until is not None and states.log is not None and frontier < states.until:
            # First, so that every process writes notes of the records that it stores in these hours.
            close_hours(chain.storage, frontier, states.until, states.log, tries=TRIES)
        wrong: list[datetime] = []
        back: list[Tally] = []
        for tally in self._differing(chain, pace):
            if any(tally.holds(state) for state in self._unpruned.get(tally.hour, ())):
                back.append(tally)
            else:
                wrong.append(tally.hour)
        if not wrong:
            self._write(chain, signer, back)
        return wrong

    def _differing(self, chain: Chain, pace: Pace) -> Iterator[Tally]:
        """Yield the hours of the digests that differ from their states."""
        for since, until in _spans(self.digests):
            expected = [hour for hour in self.states.filled() if since <= hour < until]
            notes = Notes(chain.storage, self.states, since, until)
            leaves = chain.outside.leaves
            for tally in tally_hours(chain.storage, since, until, notes, pace=pace, leaves=leaves):
                while expected and expected[0] < tally.hour:
                    yield empty_tally(expected.pop(0))
                if expected and expected[0] == tally.hour:
                    expected.pop(0)
                if not tally.holds(self.states.of(tally.hour)):
                    yield tally
            yield from map(empty_tally, expected)

    def _write(self, chain: Chain, signer: Signer, back: list[Tally]) -> None:
        states = self.states
        with transaction.atomic(using=chain.alias):
            chain.put(self.digests)
            if states.until is not None and states.log is not None:
                move_frontier(chain.storage, states.until, states.log)
                notes = Notes(chain.storage, states, BEGINNING, states.until)
                notes.load()
                forget(chain.storage, [note for note in notes.invalid if note.taken])
            digests = [self._restore(chain, signer, tally) for tally in back]
        for digest in digests:
            states.apply(digest)
        logger.warning(
            "Digests that the database had lost were put back: every hour is as these digests say.",
            extra={"action": "digests.put_back", "digests": len(self.digests)},
        )

    def _restore(self, chain: Chain, signer: Signer, tally: Tally) -> Statement:
        digest = chain.append(
            signer,
            RESTORED,
            until=self.states.until,
            hour=write_hour(tally.hour),
            hours=1,
            count=tally.whole.count,
            root=tally.whole.root().hex(),
            **({"notes": [note.sha256 for note in tally.notes]} if tally.notes else {}),
        )
        forget(chain.storage, tally.notes)
        return digest


def _spans(digests: Iterable[Statement]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans of time that the digests are about, in order and apart from each other."""
    spans = sorted(
        (one.hour, one.hour + one.hours * HOUR) for one in digests if one.kind in STATING and one.hour is not None
    )
    until: datetime | None = None
    for since, end in spans:
        if until is None or end > until:
            yield max(since, until or since), end
            until = end
