"""Whose request it is, as far as that is known without asking the database."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty


def user_id_of(request: HttpRequest) -> str | None:
    """The key of the authenticated user; None for nobody, or while nobody has looked.

    `request.user` is lazy, and looking at it would load the session and the user: it is left asleep. A DRF view
    that authenticates by token puts its user there too, so this finds it from then on.
    """
    known = request.__dict__
    user = known.get("user")
    if isinstance(user, LazyObject):
        # Past the proxy, which costs a microsecond and more at each look, and there is one for each log record.
        user = object.__getattribute__(user, "_wrapped")
        if user is empty:
            user = known.get("_acached_user")  # an async view that asked `request.auser()`
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    key = getattr(user, "pk", None)
    return None if key is None else str(key)
