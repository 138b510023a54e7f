"""Changing the state and the assignee of a group. The audit trail has each change if and only if it was committed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils import timezone

from systemlog.conf import conf
from systemlog.models import Group
from systemlog.models.groups import State
from systemlog.recording import record_atomically

CHANGEABLE = (State.OPEN, State.RESOLVED, State.IGNORED)
"""The states that a person can set. `regressed` is set when the error comes back."""

CATEGORY = "audit.update"
_is_id = re.compile("[0-9A-Za-z]{8,32}").fullmatch


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a person asks for. With `state` None the state stays; without `assigns`, `assigned_to` stays."""

    state: State | None = None
    resolved_in: str | None = None
    assigns: bool = False
    assigned_to: str | None = None


def subject_of(group_id: str) -> str:
    """Return the subject of the audit records about a group."""
    return f"systemlog.group:{group_id}"


def change(group_id: str, wanted: Change, user: Any) -> Group | None:
    """Change a group, and record in the audit trail which user did it. Return the group, or None for an unknown id."""
    alias = conf().DATABASE
    with transaction.atomic(using=alias):
        group = find(group_id, for_update=True)
        if group is None:
            return None
        before = _audited(group)
        if wanted.state is not None and (wanted.state, wanted.resolved_in) != (group.state, group.resolved_in):
            resolved = wanted.state == State.RESOLVED
            if wanted.state != group.state:
                group.resolved_at = timezone.now() if resolved else None
            group.state = wanted.state
            group.resolved_in = wanted.resolved_in if resolved else None
        if wanted.assigns:
            group.assigned_to = wanted.assigned_to
        after = _audited(group)
        changes = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
        if changes:
            group.save(using=alias, update_fields=["state", "resolved_at", "resolved_in", "assigned_to"])
            record_atomically(
                CATEGORY,
                f"The error group {group.id} was changed.",
                using=alias,
                subject=subject_of(group.id),
                user=user,
                changes=changes,
                title=group.title,
            )
    return group


def find(group_id: str, *, for_update: bool = False) -> Group | None:
    """Return the group of an id, or None. An id that older rules gave leads to the group of today's rules."""
    if not _is_id(group_id):
        return None
    groups = Group.objects.using(conf().DATABASE)
    groups = groups.select_for_update() if for_update else groups.all()
    group = groups.filter(id=group_id).first()
    if group is not None and group.alias_of is not None:
        return groups.filter(id=group.alias_of).first() or group
    return group


def user_called(name: str) -> AbstractBaseUser | None:
    """Return the active user of this name, or None."""
    from django.contrib.auth import get_user_model

    manager: Any = get_user_model()._default_manager
    try:
        user: AbstractBaseUser = manager.get_by_natural_key(name)
    except ObjectDoesNotExist:
        return None
    return user if user.is_active else None


def names_of_users(keys: set[str]) -> dict[str, str]:
    """Return a map from keys of users, as text, to their names. Deleted users are missing from it."""
    from django.apps import apps

    if not keys or not apps.is_installed("django.contrib.auth"):
        return {}
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()
    wanted = []
    for key in keys:
        try:
            wanted.append(users._meta.pk.to_python(key))
        except Exception:  # noqa: BLE001, S112  (the key is one of an earlier user model)
            continue
    return {str(user.pk): user.get_username() for user in users._default_manager.filter(pk__in=wanted)}


def _audited(group: Group) -> dict[str, str | None]:
    return {"state": str(group.state), "resolved_in": group.resolved_in, "assigned_to": group.assigned_to}
