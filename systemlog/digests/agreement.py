"""Comparing the chain in the table with its copy outside the database, before anything is appended.

The table may be ahead, because another host has sealed. The table may lack the last digests, because a failover lost
them (`recovery`). Any other difference needs an operator.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from systemlog.digests.chain import NO_DIGEST, Chain
from systemlog.digests.keys import Signer
from systemlog.digests.recovery import Forgotten
from systemlog.digests.statements import NotAStatement, Statement, read, write_hour
from systemlog.digests.states import States, introduced_key
from systemlog.digests.tally import Pace, no_pace
from systemlog.exceptions import SystemLogError

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
        if theirs is None or theirs.number < ours.number:
            return _put_back(chain, signer, theirs, pace)
        states = read_states(chain.outside.lines())
        if chain.line(ours.number) != ours.line:
            raise ChainsDiffer(f"Digest {ours.number} in the database is not the one in {chain.outside.file}.")
        _follow(chain, states, ours, signer)
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
    key = states.keys.get(digest.key) or introduced_key(digest)
    if key is None or not digest.is_signed_by(key):
        return "is not signed by a key of this log"
    return states.apply(digest)


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


def vouched(digests: Sequence[Statement], known: Collection[str]) -> int:
    """Return how many of these digests count: those up to the last one that a known key has signed.

    Each digest names the one before it, so that one vouches for all before it. Whoever owns the database can append
    digests that introduce a key of their own.
    """
    return max((place for place, digest in enumerate(digests, 1) if digest.key in known), default=0)


def _follow(chain: Chain, states: States, before: Statement, signer: Signer) -> None:
    """Copy the digests of other hosts that this host has not seen yet. A key that this host knows must vouch for them.

    That is the key of this host, or the one that was in use according to the copy outside.
    """
    known = {*states.may_note, signer.public.id}
    new, _ = follow_table(chain, states, before)
    digests = [read(line) for line in new]
    if (count := vouched(digests, known)) < len(digests):
        first = digests[count]
        raise ChainsDiffer(
            f"The digests from {first.number} on in the database are signed by another key, {digests[-1].key}."
        )
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


def _put_back(chain: Chain, signer: Signer, theirs: Statement | None, pace: Pace) -> States:
    forgotten = Forgotten(theirs.number if theirs else 0)
    for line in chain.outside.lines():
        digest = read(line)
        if theirs is not None and digest.number == theirs.number and line != theirs.line:
            raise ChainsDiffer(f"Digest {theirs.number} in the database is not the one in {chain.outside.file}.")
        forgotten.add(digest)
    if wrong := forgotten.put_back(chain, signer, pace):
        raise ChainsDiffer(
            f"The database lacks the digests from {forgotten.digests[0].number} on, and records of "
            f"{_shown(sorted(wrong))}: an older state of it was restored."
        )
    return forgotten.states


def _shown(hours: list[datetime]) -> str:
    more = f" and {len(hours) - SHOWN_HOURS} more hours" if len(hours) > SHOWN_HOURS else ""
    return ", ".join(map(write_hour, hours[:SHOWN_HOURS])) + more
