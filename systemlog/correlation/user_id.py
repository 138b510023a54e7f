"""The user of a request, as far as it is known without querying the database."""

from __future__ import annotations

from django.http import HttpRequest

from systemlog import compat


def user_id_of(request: HttpRequest) -> str | None:
    """Return the primary key of the authenticated user as text; None if nobody is logged in or the user is not loaded.

    `request.user` is lazy, and this function does not load it. A REST framework view that authenticates by token sets
    `request.user` of Django's request too, so its user is found from then on.
    """
    user = compat.loaded_user(request)
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    key = getattr(user, "pk", None)
    return None if key is None else str(key)
