"""Cursors: the start of a page, and the search that it belongs to, as an opaque signed text in a URL."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.signing import BadSignature, Signer

from systemlog.exceptions import SystemLogError
from systemlog.records.ids import EPOCH, MICROSECOND
from systemlog.search.position import Position

MAX_CHARACTERS = 500


class BadCursor(SystemLogError, ValueError):
    """The text is not a cursor, or is a cursor of another search."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """The position after which a page starts, its direction, and the values that the first page found for all pages.

    `total` and `exact` are the count. `since` and `until` are the bounds, with relative times resolved. `slice` is the
    length of the first slice of the search, where the page before ran out of its budget.
    """

    after: Position
    backwards: bool
    since: datetime | None
    until: datetime | None
    total: int
    exact: bool
    slice: timedelta | None = None

    def encode(self, search: str) -> str:
        """Return the cursor as a signed text, bound to the search that `fingerprint()` identifies."""
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
        """Return the cursor that `encode` made a text of for the same search. Raises `BadCursor` for any other text."""
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
        except (BadSignature, ValueError, TypeError) as error:  # changed, or made by a version with other fields
            raise BadCursor from error
        return cursor


def _signer() -> Signer:
    """Return the signer, which uses SECRET_KEY: a client may not choose the total or the position of a cursor."""
    return Signer(salt="systemlog.search.cursors", sep=".")


def fingerprint(parameters: Iterable[tuple[str, str]]) -> str:
    """Return a hash that identifies a search by its parameters, in any order."""
    text = json.dumps(sorted(parameters), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def _instant(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND
