"""API tokens and the service users that hold them; `ops_platform.authentication` recognises them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Permission
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

PERMISSIONS = {"read": "view_systemlog", "write": "add_systemlog"}
"""What a token can be allowed, and the permission of app `systemlog` that it takes."""


class NotAServiceUserError(Exception):
    """The name belongs to a person (see `_is_a_person`), or to a user who is not active."""


def issue(name: str, can: Collection[str], lifetime: timedelta | None = None) -> str:
    """A new token of the service user `name`, whose permissions are from now on exactly `can` (of `PERMISSIONS`).

    Tokens that it has already stay valid, so that one can be replaced without a gap; those that expired go.
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
    # Single sign-on leaves no password, but an e-mail address or a login; a service user never has either.
    traces = user.has_usable_password() or user.email or user.last_login is not None
    return bool(user.is_staff or user.is_superuser or traces)
