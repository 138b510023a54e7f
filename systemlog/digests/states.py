"""The states: what each sealed hour must hold, according to all digests so far."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from systemlog.digests.keys import KeyUnusable, PublicKey
from systemlog.digests.merkle import EMPTY
from systemlog.digests.statements import (
    ACCEPTED,
    ARCHIVED,
    HOUR,
    KEY,
    PRUNED,
    RESTORED,
    SEALED,
    STATING,
    Statement,
    read_hour,
    write_hour,
)


@dataclass(frozen=True, slots=True)
class State:
    """What an hour must hold: the number of its records, and their root. `number` is the number of the digest."""

    count: int
    root: bytes
    number: int
    broken: bool = False
    """Whether the hour differed from its state when records were pruned from it."""

    def is_held_by(self, count: int, root: bytes) -> bool:
        return self.count == count and self.root == root


class Stretch(NamedTuple):
    """Empty hours, from `start` to before `end`. `number` is the number of the digest."""

    start: datetime
    end: datetime
    number: int


class ArchiveFile(NamedTuple):
    """A file of an archive, with the number and root of its records of each hour.

    A file is identified by the SHA-256 of its content. `number` is the number of the digest.
    """

    content_sha256: str
    name: str
    hours: dict[datetime, tuple[int, bytes]]
    number: int
    broken: frozenset[datetime] = frozenset()
    """Hours that differed from their states when the file was written."""


class States:
    """The state of each sealed hour. Digests must be applied in order."""

    def __init__(self) -> None:
        self.until: datetime | None = None
        """The hour before which all hours are sealed."""
        self.keys: dict[str, PublicKey] = {}
        """The keys of the chain by their ids, in the order in which they were introduced."""
        self.may_note: set[str] = set()
        """The ids of the keys whose notes count: only the newest key, so that a replaced key can sign no more notes."""
        self.log: str | None = None
        """The name of this log in notes: the SHA-256 of the first digest."""
        self.folded: dict[datetime, set[str]] = defaultdict(set)
        """The SHA-256 of the notes that digests have taken in, by hour."""
        self.gone: dict[datetime, tuple[int, bytes]] = {}
        """Number and root of the records that were removed from an hour when it was last pruned."""
        self.archives: dict[str, ArchiveFile] = {}
        """Files of archives by the SHA-256 of their content."""
        self.holding: dict[datetime, set[str]] = defaultdict(set)
        """The files that hold pruned records of an hour."""
        self._hours: dict[datetime, State] = {}
        self._stretches: list[Stretch] = []

    def apply(self, digest: Statement) -> str | None:
        """Apply the next digest. Return what is wrong with it, or None if it fits."""
        if self.log is None:
            self.log = digest.sha256
        wrong = None
        try:
            if digest.kind == KEY:
                key = introduced_key(digest)
                if key is None:
                    return "cannot be read"
                self.keys[key.id] = key
                self.may_note = {key.id}
            elif digest.kind == ARCHIVED:
                self._apply_archive(digest)
            elif digest.kind in STATING and digest.hour is not None:
                wrong = self._apply_hours(digest, digest.hour)
            elif digest.kind != ACCEPTED:
                wrong = f"is of a kind {digest.kind!r} that this version does not know"
        except (KeyError, ValueError, TypeError, OverflowError):
            return "cannot be read"
        if digest.until is not None:
            if self.until is not None and digest.until < self.until:
                return "takes back which hours are sealed"
            self.until = digest.until
        return wrong

    def of(self, hour: datetime) -> State | None:
        """Return the state of an hour, or None if no digest is about it."""
        state = self._hours.get(hour)
        if state is not None:
            return state
        for stretch in reversed(self._stretches[: bisect_right(self._stretches, hour, key=lambda one: one.start)]):
            if hour < stretch.end:
                return State(0, EMPTY, stretch.number)
        return None

    def filled(self) -> list[datetime]:
        """Return the hours that must hold records or are broken, in order."""
        return sorted(hour for hour, state in self._hours.items() if state.count or state.broken)

    def gaps(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans before `until` that no digest is about."""
        spans = sorted(
            [(one.start, one.end) for one in self._stretches] + [(hour, hour + HOUR) for hour in self._hours]
        )
        reached = spans[0][0] if spans else None
        for start, end in spans:
            if reached is not None and start > reached:
                yield reached, start
            reached = max(end, reached or end)
        if self.until is not None and reached is not None and reached < self.until:
            yield reached, self.until

    def _apply_hours(self, digest: Statement, hour: datetime) -> str | None:
        said = digest.said
        self.folded[hour].update(said.get("notes", ()))
        if not self.folded[hour]:
            del self.folded[hour]
        if digest.hours > 1:
            end = hour + digest.hours * HOUR
            for known in [one for one in self._hours if hour <= one < end]:
                state = self._hours.pop(known)
                if state.count:
                    self.gone[known] = state.count, state.root
                    self._holds(known, said)
            self._stretches = [one for one in self._stretches if not (hour <= one.start and one.end <= end)]
            self._stretches.append(Stretch(hour, end, digest.number))
            self._stretches.sort()
            return None if not said["count"] else "says that several hours hold records"
        wrong = None
        if digest.kind == SEALED and (self.until is not None and hour < self.until):
            wrong = f"seals {write_hour(hour)} once more"
        broken = bool(said.get("broken")) or (
            digest.kind != ACCEPTED and (old := self._hours.get(hour)) is not None and old.broken
        )
        self._hours[hour] = State(int(said["count"]), bytes.fromhex(said["root"]), digest.number, broken)
        if digest.kind == PRUNED:
            self.gone[hour] = int(said["gone"]["count"]), bytes.fromhex(said["gone"]["root"])
            self._holds(hour, said)
        elif digest.kind == RESTORED:
            self.holding.pop(hour, None)
        return wrong

    def _holds(self, hour: datetime, said: Any) -> None:
        if file := said.get("archive"):
            self.holding[hour].add(file)

    def _apply_archive(self, digest: Statement) -> None:
        said: Any = digest.said
        hours = {read_hour(text): (int(count), bytes.fromhex(root)) for text, count, root in said["held"]}
        broken = frozenset(map(read_hour, said.get("broken", ())))
        content = said["content_sha256"]
        self.archives[content] = ArchiveFile(content, said["file"], hours, digest.number, broken)


def introduced_key(digest: Statement) -> PublicKey | None:
    """Return the key that a digest introduces, or None. Such a digest is signed by the key itself."""
    try:
        key = PublicKey(bytes.fromhex(digest.said["public"])) if digest.kind == KEY else None
    except (KeyError, ValueError, TypeError, KeyUnusable):
        return None
    return key if key is not None and key.id == digest.key else None
