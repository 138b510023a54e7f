"""Finding groups by filters, page by page. The group that was seen last comes first."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.signing import BadSignature, Signer
from django.db.models import Q, QuerySet

from systemlog.conf import conf
from systemlog.exceptions import SystemLogError
from systemlog.models import Group
from systemlog.records.ids import EPOCH, MICROSECOND
from systemlog.storage.expressions import BeginsWith, HasTerm

MAX_CURSOR = 500


class BadCursor(SystemLogError, ValueError):
    """The text is not a cursor, or is a cursor of another search."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a search for groups. An empty filter selects all groups."""

    states: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    since: datetime | None = None
    terms: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash that identifies this search in cursors, without the value of `since`, which may be relative."""
        text = json.dumps([self.states, self.categories, self.since is None, self.terms], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def groups(filters: Filters) -> QuerySet[Group]:
    """Return the groups that match all filters, the one that was seen last first."""
    found = Group.objects.using(conf().DATABASE).filter(alias_of__isnull=True, last_seen__isnull=False)
    if filters.states:
        found = found.filter(state__in=filters.states)
    if filters.categories:
        found = found.filter(_in_categories(filters.categories))
    if filters.since is not None:
        found = found.filter(last_seen__gte=filters.since)
    if filters.terms:
        found = found.filter(*(HasTerm("title", term) for term in filters.terms))
    return found.order_by("-last_seen", "-id")


def page(filters: Filters, limit: int, cursor: str | None = None) -> tuple[list[Group], str | None]:
    """Return the groups of a page, and the cursor of the next page or None. Raises `BadCursor`."""
    found = groups(filters)
    if cursor is not None:
        last_seen, group_id = _decode(cursor, filters)
        found = found.filter(Q(last_seen__lt=last_seen) | Q(last_seen=last_seen, id__lt=group_id))
    items = list(found[: limit + 1])
    more = len(items) > limit
    return items[:limit], _encode(items[limit - 1], filters) if more else None


def _in_categories(names: Iterable[str]) -> Q:
    condition = Q()
    for name in names:
        condition |= Q(BeginsWith("category", name[:-1])) if name.endswith("*") else Q(category=name)
    return condition


def _encode(group: Group, filters: Filters) -> str:
    assert group.last_seen is not None  # noqa: S101  (the filter of `groups`)
    fields = [filters.digest, (group.last_seen - EPOCH) // MICROSECOND, group.id]
    return _signer().sign(base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode())


def _decode(text: str, filters: Filters) -> tuple[datetime, str]:
    if len(text) > MAX_CURSOR:
        raise BadCursor
    try:
        text = _signer().unsign(text)
        search, at, group_id = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_"))
        if search != filters.digest:
            raise BadCursor
        return EPOCH + at * MICROSECOND, str(group_id)
    except (BadSignature, ValueError, TypeError, OverflowError) as error:
        raise BadCursor from error


def _signer() -> Signer:
    return Signer(salt="systemlog.groups", sep=".")
