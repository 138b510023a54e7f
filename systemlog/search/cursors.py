"""Cursors: where a page starts and what it belongs to, as an opaque text in the URL of the next page."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.signing import BadSignature, Signer

from systemlog.records.ids import EPOCH, MICROSECOND
from systemlog.search.pages import Position

MAX_CHARACTERS = 500


class BadCursor(ValueError):
    """The text is no cursor, or one of another search."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """Where the page starts (`after`), in which direction it goes, and what the first page found out once for all.

    `total` and `exact` are the count; `since` and `until` the bounds that a relative time had then; `slice` is how
    long the first slice of the search should be, where the last page ran out of its budget.
    """

    after: Position
    backwards: bool
    since: datetime | None
    until: datetime | None
    total: int
    exact: bool
    slice: timedelta | None = None

    def encode(self, search: str) -> str:
        """As signed text, bound to the search that `fingerprint()` names."""
        fields = [
            search,
            _microseconds(self.after.timestamp),
            self.after.id.hex,
            int(self.backwards),
            self.since and _microseconds(self.since),
            self.until and _microseconds(self.until),
            self.total,
            int(self.exact),
            self.slice and self.slice // MICROSECOND,
        ]
        text = base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).rstrip(b"=").decode()
        return _signer().sign(text)

    @classmethod
    def decode(cls, text: str, search: str) -> Cursor:
        """The cursor that `encode` made for the same search. Raises `BadCursor`."""
        if len(text) > MAX_CHARACTERS:
            raise BadCursor
        try:
            text = _signer().unsign(text)
            fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            belongs_to, at, key, backwards, since, until, total, exact, slice_ = fields
            if belongs_to != search:
                raise BadCursor
            cursor = cls(
                after=Position(_instant(at), uuid.UUID(hex=key)),
                backwards=bool(backwards),
                since=None if since is None else _instant(since),
                until=None if until is None else _instant(until),
                total=int(total),
                exact=bool(exact),
                slice=None if slice_ is None else slice_ * MICROSECOND,
            )
        except (BadSignature, ValueError, TypeError) as error:  # changed, or from an earlier version with other fields
            raise BadCursor from error
        return cursor


def _signer() -> Signer:
    """Signs with SECRET_KEY: a cursor holds the total, and where to search, which no client may choose."""
    return Signer(salt="systemlog.search.cursors", sep=".")


def fingerprint(parameters: Iterable[tuple[str, str]]) -> str:
    """What tells one search from another: its parameters, in any order."""
    text = json.dumps(sorted(parameters), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def _instant(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND
