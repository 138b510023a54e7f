"""Succession: what a group of today's rules takes over from a group of older rules that had its records."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from systemlog.fingerprints.records import ALGORITHM, Identity
from systemlog.groups.releases import is_older, with_release
from systemlog.models import Group
from systemlog.models.groups import State
from systemlog.storage.group_counts import USERS


def succeed(cursor: CursorWrapper, before: str, identity: Identity, category: str) -> None:
    """Make a group of older rules an alias of the group that has its records now, which takes over what it knew.

    If today's rules split the records of the old group, each new group takes over the state and the assignee, and the
    old id is an alias of the first one. Does nothing if `before` is not the id of a group of older rules.
    """
    groups = Group.objects.using(cursor.db.alias)
    old = groups.filter(id=before, algorithm__lt=ALGORITHM).select_for_update().first()
    if old is None or old.alias_of == identity.id:
        return
    new, made = groups.get_or_create(
        id=identity.id,
        defaults={
            "kind": identity.kind,
            "title": identity.title or identity.id,
            "category": category,
            "source": old.source,
            "level": old.level,
            "algorithm": ALGORITHM,
            "created_at": old.created_at,
        },
    )
    if made or (old.alias_of is None and new.state == State.OPEN):
        _take_state(old, new)
    if old.alias_of is None:
        _take_numbers(cursor, old, new)
        groups.filter(alias_of=old.id).update(alias_of=new.id)
        groups.filter(id=old.id).update(alias_of=new.id)
    new.save(using=cursor.db.alias)


def _take_state(old: Group, new: Group) -> None:
    new.state, new.resolved_at, new.resolved_in = old.state, old.resolved_at, old.resolved_in
    new.assigned_to = new.assigned_to or old.assigned_to
    came_back = (
        old.state == State.RESOLVED
        and old.resolved_at is not None
        and new.last_seen is not None
        and new.last_seen > old.resolved_at
        and not all(is_older(release, old.resolved_in, old.releases) for release in new.releases or [None])
    )
    if came_back:  # under its new id, between the upgrade and this run
        new.state = State.REGRESSED


def _take_numbers(cursor: CursorWrapper, old: Group, new: Group) -> None:
    """Add the numbers of an old group that cannot be computed from the records that are left."""
    new.pruned += old.pruned
    new.created_at = min(old.created_at, new.created_at)
    new.first_seen = min(filter(None, (old.first_seen, new.first_seen)), default=None)
    new.last_seen = max(filter(None, (old.last_seen, new.last_seen)), default=None)
    recent, new.releases = new.releases, list(old.releases)
    for release in recent:
        new.releases = with_release(new.releases, release)
    cursor.execute(
        f'INSERT INTO {USERS} (group_id, "user") SELECT %s, "user" FROM {USERS} WHERE group_id = %s'
        " ON CONFLICT DO NOTHING",
        [new.id, old.id],
    )
