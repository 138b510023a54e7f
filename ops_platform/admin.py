"""Tokens in the admin: to see whose they are and to withdraw them; `manage.py issue_token` makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from knox.models import AuthToken

# knox's own would issue a token to anybody, people included.
admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Lists and deletes; a token's hash is not shown."""

    list_display = ("user", "created", "expiry")
    list_display_links = None
    list_select_related = ("user",)
    fields = ("user", "created", "expiry")
    search_fields = ("user__username",)
    ordering = ("-created",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def get_deleted_objects(self, objs: Iterable[Model], request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """What the page that asks for a confirmation lists."""
        _, counts, permissions, protected = super().get_deleted_objects(objs, request)  # type: ignore[arg-type]  # an iterable will do
        return [f"token of {token.user}" for token in objs], counts, permissions, protected  # type: ignore[attr-defined]  # the stubs know models in general
