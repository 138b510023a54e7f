"""Tokens and users in the admin. Tokens are listed and withdrawn here, and issued by `manage.py issue_token`.

The primary key of a token is its hash. No page, URL, message or log entry has the hash. They name a token by its user
and its first characters, which knox stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn, cast

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.forms import CheckboxInput
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString, mark_safe
from knox.models import AuthToken

SHOWN_CHARACTERS = 8
"""Number of leading characters that identify a token."""

CHOSEN = helpers.ACTION_CHECKBOX_NAME

# The pages name them as the documentation does. Migrations do not see these names.
apps.get_app_config("knox").verbose_name = "API tokens"
AuthToken._meta.verbose_name, AuthToken._meta.verbose_name_plural = "API token", "API tokens"

# knox's own admin page would issue a token to anybody, people included.
admin.site.unregister(AuthToken)
admin.site.unregister(get_user_model())


class _Chosen(NamedTuple):
    """A token for the template of the confirmation page, which needs the value of a hidden field."""

    pk: str


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Lists and deletes tokens. There is no page of a single token."""

    list_display = ("user", "begins_with", "created", "expiry")
    list_display_links = None
    list_select_related = ("user",)
    fields = ("user", "created", "expiry")
    search_fields = ("user__username",)
    ordering = ("-created",)

    @admin.display(description="begins with")
    def begins_with(self, token: AuthToken) -> str:
        """Return the first characters of the token."""
        return str(token.token_key[:SHOWN_CHARACTERS])

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: nobody has this permission."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False: nobody has this permission."""
        return False

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse with 403, because the URL has the hash."""
        raise PermissionDenied

    delete_view = history_view = change_view

    @admin.display(description=mark_safe('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, obj: Model) -> SafeString:
        """Return the checkbox of a row, whose value is the first characters of the token."""
        token: Any = obj
        label = f"Select {_name_of(token)} that begins with {self.begins_with(token)}"
        return CheckboxInput({"class": "action-select", "aria-label": label}, lambda value: False).render(
            CHOSEN, token.token_key
        )

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:  # type: ignore[override]  # as Django's own
        """Run an action on the chosen tokens."""
        names = request.POST.getlist(CHOSEN)
        # A client that knows the hash may send it, too.
        chosen = AuthToken.objects.filter(Q(token_key__in=names) | Q(digest__in=names))
        posted = request.POST.copy()
        posted.setlist(CHOSEN, list(chosen.values_list("digest", flat=True)) or names)
        request.POST = posted  # type: ignore[assignment]  # Django runs the action on primary keys
        response = super().response_action(request, queryset)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            tokens = response.context_data["queryset"]
            response.context_data["queryset"] = [_Chosen(token.token_key) for token in tokens]
        return response

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Create a log entry for each token, with its first characters."""
        content_type = ContentType.objects.get_for_model(AuthToken)
        return LogEntry.objects.bulk_create(
            LogEntry(
                user_id=cast(int, request.user.pk),
                content_type=content_type,
                object_id=self.begins_with(token),
                object_repr=_name_of(token)[:200],
                action_flag=DELETION,
            )
            for token in queryset
        )

    def get_deleted_objects(self, objs: Iterable[Model], request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Return the lists of the confirmation page."""
        _, counts, permissions, protected = super().get_deleted_objects(objs, request)  # type: ignore[arg-type]  # an iterable will do
        return [_name_of(token) for token in objs], counts, permissions, protected


@admin.register(get_user_model())
class PlatformUserAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's user admin. Its confirmation page names the tokens that are deleted with a user without their hashes."""

    def get_deleted_objects(self, objs: Iterable[Model], request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Return the lists of the confirmation page."""
        users = list(objs)
        listed, counts, permissions, protected = super().get_deleted_objects(users, request)
        names = {token.digest: _name_of(token) for token in AuthToken.objects.filter(user__in=users)}
        return _by_names(listed, names), counts, permissions, protected


def _name_of(token: Any) -> str:
    return f"token of {token.user}"


def _by_names(listed: Iterable[Any], names: dict[str, str]) -> list[Any]:
    """Return the nested list of deleted objects with the names of tokens in place of links."""
    return [
        _by_names(each, names)
        if isinstance(each, list)
        else next((name for digest, name in names.items() if digest in each), each)
        for each in listed
    ]
