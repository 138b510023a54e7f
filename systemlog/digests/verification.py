"""Verification: checks the chain of digests, then compares the records of each sealed hour with it. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from systemlog.digests.agreement import follow
from systemlog.digests.archives import verify_archives
from systemlog.digests.chain import Chain
from systemlog.digests.frontier import read_frontier
from systemlog.digests.keys import PublicKey
from systemlog.digests.leaves import Leaves
from systemlog.digests.notes import Notes
from systemlog.digests.outside import Outside
from systemlog.digests.reading import is_hour
from systemlog.digests.statements import HOUR, NotAStatement, Statement, read, write_hour
from systemlog.digests.states import State, States
from systemlog.digests.tally import Pace, Tally, empty_tally, no_pace, tally_hours
from systemlog.storage import Storage
from systemlog.storage.calendar import BEGINNING

Tell = Callable[[datetime | None, str], None]
"""Called with an hour, or None for the log as a whole, and what is wrong there."""

ATTEMPTS = 4
END = (2**63, "")
"""Stands after the last digest of the table."""

OUTSIDE_TIME = "a record whose time is none, or before the year 1 or after 9999"


@dataclass(slots=True)
class Result:
    """The result of a verification: what was verified, and what is wrong."""

    digests: int = 0
    head: int = 0
    """The number of the last digest in the table when the verification began."""
    hours: int = 0
    records: int = 0
    until: datetime | None = None
    wrong: dict[datetime | None, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def holds(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.wrong

    def tell(self, hour: datetime | None, what: str) -> None:
        """Record what is wrong in an hour, or with None in the log as a whole."""
        if what not in self.wrong[hour]:
            self.wrong[hour].append(what)


def verify(
    storage: Storage,
    outside: Outside,
    key: PublicKey,
    *,
    hour: datetime | None = None,
    archives: tuple[Path, ...] = (),
    pace: Pace = no_pace,
    own: bool = False,
) -> Result:
    """Verify the log, or one hour of it, with the public key alone.

    Sealing and pruning may run meanwhile. If something is wrong and the chain has grown, the verification starts again,
    so that their changes are not reported. `own` says that `key` is the key of this installation, which may be newer
    than the chain.
    """
    for _ in range(ATTEMPTS):
        result = _verify(storage, outside, key, hour, archives, pace, own=own)
        head = Chain(storage, outside).last_number()
        if result.holds or head == result.head:
            break
    return result


def _verify(
    storage: Storage,
    outside: Outside,
    key: PublicKey,
    hour: datetime | None,
    archives: tuple[Path, ...],
    pace: Pace,
    *,
    own: bool,
) -> Result:
    result = Result(head=Chain(storage, outside).last_number())
    chain = Chain(storage, outside)
    states = verify_chain(chain, key, result, own=own)
    result.until = states.until
    if states.until is not None:
        since, until = (hour, hour + HOUR) if hour else (BEGINNING, states.until)
        if hour and hour >= states.until:
            result.tell(hour, "is not sealed yet")
        else:
            verify_hours(storage, states, since, until, result, pace, outside.leaves)
            if archives:
                verify_archives(archives, states, result.tell, hour)
    return result


def verify_chain(chain: Chain, key: PublicKey, result: Result, *, own: bool = False) -> States:
    """Verify the digests in the table and in the copy outside, and return the states that result from them.

    Where the two differ, the copy outside counts. The last digest must be signed by `key`. Each digest names the one
    before it, so the last one vouches for the whole chain, whichever keys have signed the others. With `own`, a new key
    of this installation that has not signed yet is accepted for the chain in this host's copy.
    """
    states, before = States(), None
    for line, differs in _lines(chain):
        try:
            digest = read(line)
        except NotAStatement as error:
            result.tell(states.until, str(error))
            continue
        wrong = follow(digest, before, states)
        if wrong or differs:
            for about in _hours_of(digest):
                result.tell(about, f"digest {digest.number} {wrong or differs}")
        before = digest
        result.digests += 1
    ours = chain.outside.head() if own and before is not None and before.key != key.id else None
    if before is not None and before.key != key.id and (ours is None or ours.line != before.line):
        wrong_key = f"the digests are signed by another key, {before.key}, and not by {key.id}"
        for about in [*states.filled(), None]:
            result.tell(about, wrong_key)
    states.may_note |= {key.id}
    states.keys.setdefault(key.id, key)
    for since, until in states.gaps():
        result.tell(since, f"no digest is about the hours from here to {write_hour(until)}")
    return states


def verify_hours(
    storage: Storage,
    states: States,
    since: datetime,
    until: datetime,
    result: Result,
    pace: Pace = no_pace,
    leaves: Leaves | None = None,
) -> None:
    """Compare the records from `since` to before `until` with the states. Differences are recorded in `result`."""
    expected = [hour for hour in states.filled() if since <= hour < until]
    place = 0
    notes = Notes(storage, states, since, until)
    for tally in tally_hours(storage, since, until, notes, pace=pace, leaves=leaves):
        while place < len(expected) and expected[place] < tally.hour:
            _compare(storage, states, empty_tally(expected[place]), result)
            place += 1
        if place < len(expected) and expected[place] == tally.hour:
            place += 1
        _compare(storage, states, tally, result)
    for hour in expected[place:]:
        _compare(storage, states, empty_tally(hour), result)
    for note in notes.invalid:
        result.tell(note.hour, f"there is {note.why}")
    if since == BEGINNING and _outside_time(storage):
        result.tell(None, f"there is {OUTSIDE_TIME}")


def _compare(storage: Storage, states: States, tally: Tally, result: Result) -> None:
    state = states.of(tally.hour)
    result.hours += 1
    result.records += tally.rest.count + tally.noted.count
    if state is not None and state.broken:
        result.tell(tally.hour, "was not as it was sealed when records were pruned from it")
    if not tally.holds(state):
        result.tell(tally.hour, describe(tally, state))


def describe(tally: Tally, state: State | None) -> str:
    """Return a text that says how an hour differs from its state."""
    if state is None:
        return "no digest is about this hour"
    if not tally.notes_hold:
        return f"of {tally.records} records that were noted as late, {tally.noted.count} are there as they were noted"
    count = tally.rest.count
    if count != state.count:
        return f"has {count} records instead of {state.count}"
    return f"its {count} records are not those that were sealed"


def _lines(chain: Chain) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of the chain, each with what is wrong if table and copy differ there.

    If the database never had digests, the log has moved to it from another database. Then only the copy counts.
    """
    if not chain.last_number() and read_frontier(chain.storage) is None:
        yield from ((line, None) for line in chain.outside.lines())
        return
    stored = chain.numbered_lines()
    number, line = next(stored, END)
    for place, copied in enumerate(chain.outside.lines() if chain.outside.exists() else (), 1):
        while number < place:
            yield line, f"is in the database under the number {number}"
            number, line = next(stored, END)
        if number != place:
            yield copied, "is missing in the database"
            continue
        yield copied, None if copied == line else f"differs between the database and {chain.outside.file}"
        number, line = next(stored, END)
    while (number, line) != END:
        yield line, None
        number, line = next(stored, END)


def _hours_of(digest: Statement) -> list[datetime | None]:
    if digest.hour is None:
        return [None]
    if digest.hours == 1:
        return [digest.hour]
    try:
        return [digest.hour, digest.hour + (digest.hours - 1) * HOUR]
    except OverflowError:
        return [digest.hour]


def _outside_time(storage: Storage) -> bool:
    """Whether there is a record whose time is in no hour. In SQLite, plain SQL can store any value as a time."""
    with storage.connection.cursor() as cursor:
        if storage.connection.vendor == "postgresql":
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM system_logs WHERE timestamp < '0001-01-01+00')"
                " OR EXISTS (SELECT 1 FROM system_logs WHERE timestamp >= '10000-01-01+00')"
            )
            return bool(cursor.fetchone()[0])
        cursor.execute("SELECT DISTINCT typeof(timestamp), substr(timestamp, 1, 13) FROM system_logs")
        return any(kind != "text" or not is_hour(hour) for kind, hour in cursor)
