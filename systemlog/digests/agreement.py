"""Comparing the chain in the table with its copy outside the database, before anything is appended.

The table may be ahead, because another host has sealed. The table may lack the last digests, because a failover lost
them; they are put back if every hour that they state is as they say. Any other difference needs an operator.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import transaction

from systemlog.digests.chain import NO_DIGEST, Chain
from systemlog.digests.frontier import move_frontier
from systemlog.digests.keys import Signer
from systemlog.digests.notes import Notes
from systemlog.digests.statements import HOUR, STATING, NotAStatement, Statement, read, write_hour
from systemlog.digests.states import States
from systemlog.digests.tally import Pace, no_pace, tally_hours
from systemlog.exceptions import SystemLogError

logger = logging.getLogger("systemlog.digests")

SHOWN_HOURS = 10


class ChainsDiffer(SystemLogError):
    """The digests in the database differ from the copy outside. The text says which digests or hours are concerned."""


def agree(chain: Chain, signer: Signer, pace: Pace = no_pace) -> States:
    """Bring the table and the copy to the same head, and return the states up to it. Raises `ChainsDiffer`.

    The caller must hold `chain.exclusive`.
    """
    try:
        ours, theirs = chain.outside.head(), chain.head()
        if ours is None:
            return _adopt(chain, signer) if theirs is not None else States()
        states = read_states(chain.outside.lines())
        if theirs is not None and theirs.number >= ours.number:
            if chain.line(ours.number) != ours.line:
                raise ChainsDiffer(f"Digest {ours.number} in the database is not the one in {chain.outside.file}.")
            _follow(chain, states, ours)
            return states
        _put_back(chain, states, theirs, pace)
    except NotAStatement as error:
        raise ChainsDiffer(str(error)) from None
    return states


def read_states(lines: Iterable[str]) -> States:
    """Return the states that result from trusted lines. Raises `NotAStatement`."""
    states = States()
    for line in lines:
        states.apply(read(line))
    return states


def follow(digest: Statement, before: Statement | None, states: States) -> str | None:
    """Apply a digest to the states. Return what is wrong with it as the next one of the chain, or None if it fits.

    `before` is the digest before it, or None for the first one.
    """
    if digest.number != (before.number + 1 if before else 1):
        return "is out of order"
    if digest.said["previous"] != (before.sha256 if before else NO_DIGEST):
        return "does not continue the one before"
    wrong = states.apply(digest)  # first, because a new key signs its own introduction
    key = states.keys.get(digest.key)
    if key is None or not digest.is_signed_by(key):
        return "is not signed by a key of this log"
    return wrong


def follow_table(
    chain: Chain, states: States, before: Statement | None = None, *, context: str = ""
) -> tuple[list[str], Statement | None]:
    """Apply the digests of the table that come after `before` to the states. Return their lines, and the last digest.

    Raises `ChainsDiffer` for a digest that does not fit; its text ends with `context`.
    """
    lines = []
    for _, line in chain.numbered_lines(before.number if before else 0):
        digest = read(line)
        if wrong := follow(digest, before, states):
            raise ChainsDiffer(f"Digest {digest.number} in the database {wrong}{context}.")
        lines.append(line)
        before = digest
    return lines, before


def _follow(chain: Chain, states: States, before: Statement) -> None:
    """Copy the digests of other hosts that this host has not seen yet."""
    new, _ = follow_table(chain, states, before)
    if new:
        chain.outside.append(new)


def _adopt(chain: Chain, signer: Signer) -> States:
    """Copy the whole chain, because this host has none of it. This host's key must have signed the last digest."""
    states = States()
    lines, last = follow_table(chain, states)
    if last is None or last.key != signer.public.id:
        raise ChainsDiffer(
            f"The digests in the database are signed by another key, and there are none in {chain.outside.directory}."
        )
    chain.outside.append(lines)
    return states


def _put_back(chain: Chain, states: States, theirs: Statement | None, pace: Pace) -> None:
    missing: list[Statement] = []
    for line in chain.outside.lines():
        digest = read(line)
        if theirs is None or digest.number > theirs.number:
            missing.append(digest)
        elif digest.number == theirs.number and line != theirs.line:
            raise ChainsDiffer(f"Digest {theirs.number} in the database is not the one in {chain.outside.file}.")
    wrong = sorted({hour for since, until in _spans(missing) for hour in _not_held(chain, states, since, until, pace)})
    if wrong:
        raise ChainsDiffer(
            f"The database lacks the digests from {missing[0].number} on, and records of "
            f"{_shown(wrong)}: an older state of it was restored."
        )
    with transaction.atomic(using=chain.alias):
        chain.put(missing)
        if states.until is not None and states.log is not None:
            move_frontier(chain.storage, states.until, states.log)
    logger.warning(
        "Digests that the database had lost were put back: every hour is as these digests say.",
        extra={"action": "digests.put_back", "digests": len(missing)},
    )


def _spans(digests: Iterable[Statement]) -> Iterator[tuple[datetime, datetime]]:
    spans = sorted(
        (one.hour, one.hour + one.hours * HOUR) for one in digests if one.kind in STATING and one.hour is not None
    )
    until: datetime | None = None
    for since, end in spans:
        if until is None or end > until:
            yield max(since, until or since), end
            until = end


def _not_held(chain: Chain, states: States, since: datetime, until: datetime, pace: Pace) -> Iterator[datetime]:
    """Yield the hours of a span that differ from their states."""
    expected = {hour for hour in states.filled() if since <= hour < until}
    for tally in tally_hours(chain.storage, since, until, Notes(chain.storage, states, since, until), pace=pace):
        expected.discard(tally.hour)
        if not tally.holds(states.of(tally.hour)):
            yield tally.hour
    yield from expected


def _shown(hours: list[datetime]) -> str:
    more = f" and {len(hours) - SHOWN_HOURS} more hours" if len(hours) > SHOWN_HOURS else ""
    return ", ".join(map(write_hour, hours[:SHOWN_HOURS])) + more
