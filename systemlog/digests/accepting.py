"""Accepting the log as it is now, after a lawful restore. The operator's reason is signed and stays in the chain."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from systemlog.digests.agreement import ChainsDiffer, follow, follow_table, read_states, vouched
from systemlog.digests.chain import Chain
from systemlog.digests.frontier import move_frontier
from systemlog.digests.keys import Signer, signer
from systemlog.digests.notes import Notes, forget
from systemlog.digests.outside import outside
from systemlog.digests.statements import ACCEPTED, NotAStatement, Statement, read, write_hour
from systemlog.digests.states import State, States
from systemlog.digests.tally import Tally, empty_tally, tally_hours
from systemlog.models import Digest
from systemlog.recording import record
from systemlog.storage import get_storage
from systemlog.storage.calendar import BEGINNING


def accept(reason: str) -> list[datetime]:
    """Sign the present content of every hour that is not as it was sealed, and return these hours.

    The digests outside are first put into the table, in place of those that differ. Raises what `seal` raises.
    """
    signer_ = signer()
    storage = get_storage()
    chain = Chain(storage, outside())
    with chain.exclusive(wait=True):
        states = _take_outside(chain, signer_)
        chain.introduce_key(signer_, states)
        accepted = _accept_hours(chain, signer_, states, reason)
    record(
        "audit.digests_accepted",
        "The log was accepted as it is",
        level="WARNING",
        reason=reason,
        hours=len(accepted),
        first=write_hour(accepted[0]) if accepted else None,
        last=write_hour(accepted[-1]) if accepted else None,
    )
    return accepted


def _take_outside(chain: Chain, signer_: Signer) -> States:
    """Make the table agree with the copy outside, and return the states.

    Without a copy, the digests of the table are copied, if they are an unbroken chain.
    """
    try:
        if not chain.outside.exists():
            return _take_table(chain)
        states = read_states(chain.outside.lines())
        digests = [read(line) for line in chain.outside.lines()]
    except NotAStatement as error:
        raise ChainsDiffer(str(error)) from None
    stored = dict(chain.numbered_lines())
    last = digests[-1].number
    followed = read_states(one.line for one in digests)
    good = _newer(digests[-1], stored, followed, {*states.may_note, signer_.public.id})
    for digest in good:
        states.apply(digest)
    wrong = [one for one in digests if stored.get(one.number) != one.line]
    with transaction.atomic(using=chain.alias):
        keep = last + len(good)
        Digest.objects.using(chain.alias).filter(number__gt=keep).delete()
        for start in range(0, len(wrong), 100):
            some = wrong[start : start + 100]
            Digest.objects.using(chain.alias).filter(number__in=[one.number for one in some]).delete()
            chain.put(some)
        if states.until is not None and states.log is not None:
            move_frontier(chain.storage, states.until, states.log)
    chain.outside.append([one.line for one in good])
    return states


def _newer(last: Statement, stored: dict[int, str], states: States, known: set[str]) -> list[Statement]:
    """Return the digests of other hosts in the table that come after `last`, as far as a known key vouches for them."""
    digests: list[Statement] = []
    before, line = last, stored.get(last.number)
    while line == before.line and (line := stored.get(before.number + 1)):
        try:
            digest = read(line)
        except NotAStatement:
            break
        if follow(digest, before, states):
            break
        digests.append(digest)
        before = digest
    return digests[: vouched(digests, known)]


def _take_table(chain: Chain) -> States:
    states = States()
    lines, _ = follow_table(chain, states, context=", and there are none outside")
    chain.outside.append(lines)
    return states


def _accept_hours(chain: Chain, signer_: Signer, states: States, reason: str) -> list[datetime]:
    accepted: list[datetime] = []

    def sign(tally: Tally, state: State | None) -> None:
        with transaction.atomic(using=chain.alias):
            digest = chain.append(
                signer_,
                ACCEPTED,
                until=states.until,
                reason=reason,
                hour=write_hour(tally.hour),
                hours=1,
                count=tally.whole.count,
                root=tally.whole.root().hex(),
                was={"count": state.count, "root": state.root.hex()} if state else None,
                **({"notes": [note.sha256 for note in tally.notes]} if tally.notes else {}),
            )
            forget(chain.storage, tally.notes)
        states.apply(digest)
        accepted.append(tally.hour)

    if states.until is not None:
        expected = states.filled()
        notes, leaves = Notes(chain.storage, states, BEGINNING, states.until), chain.outside.leaves
        for tally in tally_hours(chain.storage, BEGINNING, states.until, notes, leaves=leaves):
            while expected and expected[0] < tally.hour:
                hour = expected.pop(0)
                sign(empty_tally(hour), states.of(hour))
            if expected and expected[0] == tally.hour:
                expected.pop(0)
            state = states.of(tally.hour)
            if state is None or state.broken or not tally.holds(state):
                sign(tally, state)
        for hour in expected:
            sign(empty_tally(hour), states.of(hour))
        _drop_invalid(chain, states)
    if not accepted:
        with transaction.atomic(using=chain.alias):
            states.apply(chain.append(signer_, ACCEPTED, until=states.until, reason=reason))
    return accepted


def _drop_invalid(chain: Chain, states: States) -> None:
    """Delete the invalid notes, which verification would otherwise keep reporting."""
    assert states.until is not None  # noqa: S101  (the caller has checked this)
    notes = Notes(chain.storage, states, BEGINNING, states.until)
    notes.load()
    forget(chain.storage, notes.invalid)
