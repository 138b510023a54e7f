"""Sealing: signs a digest of each hour that has ended, and of each sealed hour that got late records.

An hour is sealed once. From then on, sealing accepts only these changes of the hour: late records with notes, pruning,
and what an operator has accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction

from systemlog.digests.agreement import agree
from systemlog.digests.chain import Chain
from systemlog.digests.frontier import close_hours, move_frontier, read_frontier
from systemlog.digests.keys import Signer, signer
from systemlog.digests.merkle import EMPTY
from systemlog.digests.notes import Notes, forget
from systemlog.digests.outside import outside
from systemlog.digests.statements import HOUR, RESEALED, RESTORED, SEALED, Statement, hour_of, read_hour, write_hour
from systemlog.digests.states import State, States
from systemlog.digests.tally import Pace, Tally, no_pace, tally_hours
from systemlog.exceptions import SystemLogError
from systemlog.storage import get_storage
from systemlog.storage.calendar import BEGINNING

logger = logging.getLogger("systemlog.digests")

TRIES = 100
"""How often a command tries to close hours, which takes about 15 seconds."""


_told: set[datetime] = set()
"""The altered hours that this process has logged. It logs each hour once, although it seals every minute."""


class Stopped(SystemLogError):
    """The process that seals is ending."""


@dataclass(slots=True)
class Outcome:
    """The result of a run of sealing."""

    hours: int = 0
    records: int = 0
    resealed: list[datetime] = field(default_factory=list)
    refused: list[datetime] = field(default_factory=list)
    """Hours with late records whose other records are not as they were sealed."""
    until: datetime | None = None
    head: str = ""


def seal(
    until: datetime | None = None,
    *,
    wait: bool = True,
    tries: int = TRIES,
    pace: Pace = no_pace,
    may_fold: Callable[[Tally | None, State], bool] = lambda tally, state: True,
) -> Outcome:
    """Seal every hour that has ended by `until` (by default now), and take in the notes of late records.

    Without `wait`, raises `DigestsBusy` while another process holds the chain. `tries` limits the attempts to close the
    hours. `pace` is called after each page of records. Raises `KeyUnusable`, `OutsideUnusable`, `HoursInUse` or
    `ChainsDiffer` before anything is sealed.
    """
    signer_ = signer()
    storage = get_storage()
    chain = Chain(storage, outside())
    outcome = Outcome()
    with chain.exclusive(wait=wait):
        states = agree(chain, signer_, pace)
        chain.introduce_key(signer_, states)
        now = min(datetime.now(UTC), storage.clock().now)
        target = hour_of(min(until or now, now))
        _seal_hours(chain, signer_, states, target, outcome, tries, pace)
        fold(chain, signer_, states, outcome, pace)
        outcome.until = states.until
        head = chain.head()
        outcome.head = f"{head.number}:{head.sha256}" if head else ""
    if outcome.hours or outcome.resealed:
        # The record is on stdout too, so that the collector of stdout holds a copy of the head.
        logger.info(
            "Hours of the log were sealed.",
            extra={"action": "digests.sealed", "until": _text(outcome.until), "head": outcome.head},
        )
    _told.intersection_update(outcome.refused)
    for hour in set(outcome.refused) - _told:
        _told.add(hour)
        logger.error(
            "An hour of the log is not as it was sealed: see `manage.py verify_system_logs`.",
            extra={"action": "digests.differs", "hour": write_hour(hour)},
        )
    return outcome


def _seal_hours(
    chain: Chain, signer_: Signer, states: States, target: datetime, outcome: Outcome, tries: int, pace: Pace
) -> None:
    since = states.until or BEGINNING
    if target <= since or states.log is None:
        if states.until is not None and states.log is not None and read_frontier(chain.storage) != states.until:
            move_frontier(chain.storage, states.until, states.log)  # an interrupted run, or somebody else, has moved it
        return
    close_hours(chain.storage, since, target, states.log, tries=tries)

    def append(hour: datetime, hours: int, tally: Tally | None) -> None:
        notes = tally.notes if tally else []
        with transaction.atomic(using=chain.alias):
            digest = chain.append(
                signer_,
                SEALED,
                until=hour + hours * HOUR,
                hour=write_hour(hour),
                hours=hours,
                count=tally.whole.count if tally else 0,
                root=(tally.whole.root() if tally else EMPTY).hex(),
                **({"notes": [note.sha256 for note in notes]} if notes else {}),
            )
            forget(chain.storage, notes)
        states.apply(digest)
        outcome.hours += hours
        outcome.records += tally.whole.count if tally else 0

    notes = Notes(chain.storage, states, since, target)
    leaves = chain.outside.leaves
    for tally in tally_hours(chain.storage, since, target, notes, pace=pace, leaves=leaves, listing=True):
        if not tally.notes_hold:
            # A record with a note is gone or was changed. The note stays, and verification reports the hour.
            tally = _without_notes(tally)  # noqa: PLW2901
            outcome.refused.append(tally.hour)
        if tally.hour > since:
            append(since, (tally.hour - since) // HOUR, None)
        append(tally.hour, 1, tally)
        leaves.keep(tally.whole, tally.hour)
        since = tally.hour + HOUR
    if since < target:
        append(since, (target - since) // HOUR, None)


def fold(chain: Chain, signer_: Signer, states: States, outcome: Outcome, pace: Pace = no_pace) -> None:
    """Take in the notes of late records in sealed hours, if the other records of the hour are as they were sealed."""
    until = states.until
    if until is None:
        return
    notes = Notes(chain.storage, states, BEGINNING, until)
    notes.load()
    leaves = chain.outside.leaves
    for hour in map(read_hour, notes.hours()):
        own = Notes(chain.storage, states, hour, hour + HOUR)
        hours = tally_hours(chain.storage, hour, hour + HOUR, own, pace=pace, leaves=leaves, listing=True)
        tally = next(hours)
        state = states.of(hour)
        if state is None or state.broken or not tally.holds(state):
            outcome.refused.append(hour)
        else:
            with transaction.atomic(using=chain.alias):
                if not tally.repeats(state):
                    states.apply(_reseal(chain, signer_, states, tally, until))
                    outcome.resealed.append(hour)
                forget(chain.storage, tally.notes)
            leaves.keep(tally.whole, hour)


def _reseal(chain: Chain, signer_: Signer, states: States, tally: Tally, until: datetime) -> Statement:
    gone = states.gone.get(tally.hour)
    restored = gone is not None and gone == (tally.noted.count, tally.noted.root())
    return chain.append(
        signer_,
        RESTORED if restored else RESEALED,
        until=until,
        hour=write_hour(tally.hour),
        hours=1,
        count=tally.whole.count,
        root=tally.whole.root().hex(),
        late=tally.noted.count,
        notes=[note.sha256 for note in tally.notes],
    )


def _without_notes(tally: Tally) -> Tally:
    return Tally(tally.hour, tally.rest, tally.rest, [])


def _text(hour: datetime | None) -> str | None:
    return write_hour(hour) if hour else None
