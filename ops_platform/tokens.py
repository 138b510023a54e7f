"""Issuing API tokens to service users. `ops_platform.authentication` checks them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Permission
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

PERMISSIONS = {"read": "view_systemlog", "write": "add_systemlog", "triage": "change_group"}
"""The rights of tokens, with the permission of app `systemlog` for each."""


class NotAServiceUserError(Exception):
    """The name belongs to a person's account, or to a user that is not active."""


def issue(name: str, can: Collection[str], lifetime: timedelta | None = None) -> str:
    """Issue a token to the service user `name`, and set the user's permissions to exactly `can` (of `PERMISSIONS`).

    The user is created if needed. Earlier tokens stay valid, so that a token can be replaced without a gap; expired
    ones are deleted. Raises `NotAServiceUserError`.
    """
    users = get_user_model().objects
    with transaction.atomic():
        user, created = users.select_for_update().get_or_create(username=name)
        if created:
            user.set_unusable_password()
            user.save()
        elif _is_a_person(user) or not user.is_active:
            raise NotAServiceUserError
        user.groups.clear()
        user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="systemlog", codename__in=[PERMISSIONS[action] for action in can]
            )
        )
        AuthToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
        _, token = AuthToken.objects.create(user, expiry=lifetime)
    return str(token)


def _is_a_person(user: AbstractUser) -> bool:
    # A user of single sign-on has no password, but an e-mail address or a login. A service user has neither.
    traces = user.has_usable_password() or user.email or user.last_login is not None
    return bool(user.is_staff or user.is_superuser or traces)
