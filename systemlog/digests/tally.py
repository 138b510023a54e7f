"""Counts and hashes the records of each hour, and compares late records with their notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from systemlog.digests import reading
from systemlog.digests.canonical import canonical
from systemlog.digests.leaves import LISTED_BYTES, Leaves
from systemlog.digests.merkle import LEAF, Tree
from systemlog.digests.notes import Key, Note, Notes
from systemlog.digests.statements import read_hour
from systemlog.digests.states import State
from systemlog.records.row import TABLE
from systemlog.storage import Storage
from systemlog.storage.conditions import Condition

Pace = Callable[[int], None]
"""Called after each page with the number of its records. The function may sleep, or raise to stop the reading."""


def no_pace(records: int) -> None:
    """Continue at once."""


@dataclass(slots=True)
class Tally:
    """The records of one hour.

    `rest` has the records without a note. `whole` has these, and the records whose note was there when the reading of
    the hour began. A record whose note was written since is in neither, because it belongs to a later digest.
    """

    hour: datetime
    rest: Tree
    whole: Tree
    notes: list[Note]
    noted: Tree = field(default_factory=Tree)
    records: int = 0
    """How many records the notes name."""
    differing: int = 0
    """How many records differ from their notes."""
    listed: Tree | None = None
    """The records that the state of the hour covers, according to this host's list of them. None without a list."""
    stays: Tree | None = None
    goes: Tree | None = None
    """The records of `whole` that stay and go: a condition selects those that go. None without a condition."""

    @property
    def notes_hold(self) -> bool:
        """Whether each record in the notes is stored, with the content that its note says."""
        return not self.differing and self.noted.count == self.records

    def holds(self, state: State | None) -> bool:
        """Whether the hour is as its state says, apart from late records with notes."""
        if state is None or not self.notes_hold:
            return False
        trees = (self.rest, self.whole, self.listed)
        return any(tree is not None and state.is_held_by(tree.count, tree.root()) for tree in trees)

    def repeats(self, state: State) -> bool:
        """Whether the state already includes the records of the notes: the database lost them, and got them again."""
        return state.is_held_by(self.whole.count, self.whole.root())


def tally_hours(
    storage: Storage,
    since: datetime,
    until: datetime,
    notes: Notes,
    *,
    pace: Pace = no_pace,
    table: str = TABLE,
    condition: Condition | None = None,
    leaves: Leaves | None = None,
    listing: bool = False,
) -> Iterator[Tally]:
    """Yield the tally of each hour that has records or notes, in order.

    With a condition, each tally also has the records that stay and those that go. `leaves` are the lists of this host.
    With `listing`, the tree `whole` can be kept there.
    """
    hours = _Hours(notes, leaves, splits=condition is not None, listing=listing)
    unique_keys = storage.connection.vendor == "postgresql"
    tally: Tally | None = None
    text = ""
    for page in reading.pages(storage, since, until, table=table, condition=condition):
        hours.load(read_until=reading.hour_text(page[-1]), current=text)
        for texts in page:
            if texts[0][:13] != text:
                if tally is not None:
                    yield tally
                text = texts[0][:13]
                yield from hours.before(text)
                tally = hours.begin(text)
                rest = tally.rest
            leaf = sha256(LEAF + canonical(texts[:12], unique_keys=unique_keys)).digest()
            if hours.plain:
                rest.add(leaf)
            else:
                hours.add(texts, leaf)
        pace(len(page))
    if tally is not None:
        yield tally
    yield from hours.before("~")


class _Hours:
    """The hours of one reading, each with the notes that were there before its first record was read."""

    def __init__(self, notes: Notes, leaves: Leaves | None, *, splits: bool, listing: bool) -> None:
        self._notes = notes
        self._leaves = leaves
        self._splits = splits
        self._tree = leaves.tree if leaves and listing else Tree
        notes.load()
        self._early = {hour: list(notes.of(hour)) for hour in notes.hours()}
        self._waiting = sorted(self._early)
        """The hours with notes whose reading has not begun yet."""
        self._tally: Tally | None = None
        self._noted: dict[Key, bytes] = {}
        self._later: set[Key] = set()
        self._known: set[int] = set()
        """The notes of the current hour whose records are in `_noted` or `_later`."""
        self._listed: Iterator[bytes] = iter(())
        self._next = b""
        """The beginning of the next leaf in the list of the current hour."""
        self.plain = True
        """Whether the current hour has no notes, and is not split by a condition."""

    def load(self, *, read_until: str, current: str) -> None:
        """Read new notes, after each page was read and before it is counted.

        A late record is stored together with its note, so the note of each record of the page is found here.
        """
        if not self._notes.load():
            return
        for hour in self._notes.hours():
            if hour > read_until:  # no record of these hours was read yet
                self._early[hour] = list(self._notes.of(hour))
                if hour not in self._waiting:
                    self._waiting = sorted([*self._waiting, hour])
        if self._tally is not None:
            self._find_later(current)

    def before(self, text: str) -> Iterator[Tally]:
        """Yield the tallies of the hours before this one that have notes and no record."""
        while self._waiting and self._waiting[0] < text:
            yield self.begin(self._waiting[0])

    def begin(self, text: str) -> Tally:
        """Begin an hour, and return its tally, still empty."""
        if self._waiting and self._waiting[0] == text:
            self._waiting.pop(0)
        known = self._early.get(text, [])
        whole = self._tree()
        self._tally = tally = Tally(read_hour(text), Tree() if known else whole, whole, known)
        if self._splits:
            tally.stays, tally.goes = Tree(), Tree()
        self._noted, self._later = dict(self._notes.records(known)), set()
        self._known = {note.row for note in known}
        tally.records = len(self._noted)
        state = self._notes.states.of(tally.hour) if known else None
        listed = self._leaves.of(tally.hour, state.root) if state and self._leaves else None
        if listed is not None:
            tally.listed, self._listed, self._next = Tree(), listed, next(listed, b"")
        self._find_later(text)
        return tally

    def add(self, texts: reading.Texts, leaf: bytes) -> None:
        """Add a record to the current hour, which is not plain."""
        tally = self._tally
        assert tally is not None  # noqa: S101  (`begin` was called before)
        key = texts[0], texts[1]
        noted = self._noted.get(key)
        if noted is None and key in self._later:
            if self._splits:
                tally.differing += 1  # else no digest would cover it, whether it is removed or left
            return
        if noted is None:
            tally.rest.add(leaf)
        else:
            tally.noted.add(leaf)
            tally.differing += noted != leaf
        if tally.whole is not tally.rest:
            tally.whole.add(leaf)
        if tally.listed is not None and (noted is None or leaf[:LISTED_BYTES] == self._next):
            tally.listed.add(leaf)
            self._next = next(self._listed, b"")
        if tally.stays is not None and tally.goes is not None:
            (tally.goes if texts[12] else tally.stays).add(leaf)

    def _find_later(self, text: str) -> None:
        later = [note for note in self._notes.of(text) if note.row not in self._known]
        self._known.update(note.row for note in later)
        self._later.update(key for key, _ in self._notes.records(later))
        self.plain = not (self._splits or self._noted or self._later)


def empty_tally(hour: datetime) -> Tally:
    """Return the tally of an hour without records."""
    rest = Tree()
    return Tally(hour, rest, rest, [])
