"""The endpoints of the error groups: `GET /system/groups/`, `GET` and `PATCH /system/groups/<id>/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ErrorDetail, NotFound
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import LogView, ReadingView
from systemlog.api.group_schema import (
    GROUP_ID,
    GROUP_PARAMETERS,
    GroupChangeSerializer,
    GroupSerializer,
    GroupsSerializer,
)
from systemlog.api.pages import read_limit
from systemlog.api.permissions import OwnMethodsPermission
from systemlog.groups import folding, listing, states
from systemlog.models import CHANGE_GROUP_PERMISSION, VIEW_PERMISSION, Group
from systemlog.models.groups import State
from systemlog.problems import ContentNegotiation, InvalidBody, InvalidParameters, Place
from systemlog.records.fields import MAX_TEXT_CHARACTERS, unstorable
from systemlog.records.times import represent_time
from systemlog.search.parsing import rules
from systemlog.storage.group_counts import MAX_USERS

PARAMETERS = ("state", "category", "since", "q", "limit", "cursor")
REPEATABLE = ("state", "category")
CHANGEABLE = ("state", "assigned_to", "resolved_in")
NOT_A_STATE = f"This must be one of {', '.join(State.values)}."
NOT_A_CHANGE = f"This must be one of {', '.join(states.CHANGEABLE)}."


class GroupPermission(OwnMethodsPermission):
    """Reading groups needs the permission to read the log, changing them `systemlog.change_group`."""

    needed = {"GET": VIEW_PERMISSION, "HEAD": VIEW_PERMISSION, "PATCH": CHANGE_GROUP_PERMISSION}


class GroupsView(ReadingView):
    """The groups."""

    permission_classes = [GroupPermission]

    @extend_schema(
        operation_id="system_groups_list",
        summary="Read a page of error groups",
        description="Every record of level ERROR and above belongs to one group. Those seen last come first.",
        parameters=GROUP_PARAMETERS,
        responses={200: GroupsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return a page of groups, those seen last first."""
        filters, limit, cursor = _read(request)
        folding.catch_up()
        try:
            groups, after = listing.page(filters, limit, cursor)
        except listing.BadCursor:
            raise InvalidParameters({"cursor": "This is no cursor of this search."}) from None
        following = None
        if after is not None:
            parameters = request.query_params.copy()
            parameters["cursor"] = after
            following = f"{request.build_absolute_uri(request.path)}?{parameters.urlencode()}"
        return Response({"items": represent_groups(groups), "next": following})


class GroupView(LogView):
    """One group."""

    permission_classes = [GroupPermission]
    content_negotiation_class = ContentNegotiation
    parser_classes = [JSONParser]
    http_method_names = ["get", "head", "patch"]

    @extend_schema(
        operation_id="system_groups_retrieve",
        summary="Read one error group",
        parameters=[GROUP_ID],
        responses={200: GroupSerializer},
    )
    def get(self, request: Request, pk: str) -> Response:
        """Return the group."""
        folding.catch_up()
        group = _found(states.find(pk))
        return Response(represent_groups([group])[0])

    @extend_schema(
        operation_id="system_groups_partial_update",
        summary="Change what is to be done about an error group",
        description="A resolved group is open again (`regressed`) when a record comes that was logged after it was "
        "resolved; with `resolved_in`, not one of an older release. An ignored group counts on. The audit trail has "
        "who changed what. Who may not read the log gets only what can be changed.",
        parameters=[GROUP_ID],
        request=GroupChangeSerializer,
        responses={200: GroupSerializer},
    )
    def patch(self, request: Request, pk: str) -> Response:
        """Change the group, and return it."""
        wanted = _read_change(request.data)
        folding.catch_up()
        body = represent_groups([_found(states.change(pk, wanted, request.user))])[0]
        if not request.user.has_perm(VIEW_PERMISSION):
            body = {name: body[name] for name in ("id", *CHANGEABLE)}
        return Response(body)


def represent_groups(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return the JSON objects of groups."""
    names = states.names_of_users({group.assigned_to for group in groups if group.assigned_to is not None})
    return [
        {
            "id": group.id,
            "kind": group.kind,
            "title": group.title,
            "level": group.level,
            "category": group.category,
            "source": group.source,
            "state": group.state,
            "first_seen": group.first_seen and represent_time(group.first_seen),
            "last_seen": group.last_seen and represent_time(group.last_seen),
            "count": group.count,
            "pruned": group.pruned,
            "users": group.users,
            "users_relation": "gte" if group.users >= MAX_USERS else "eq",
            "releases": group.releases,
            "resolved_at": group.resolved_at and represent_time(group.resolved_at),
            "resolved_in": group.resolved_in,
            "assigned_to": names.get(group.assigned_to or ""),
        }
        for group in groups
    ]


def _found(group: Group | None) -> Group:
    if group is None:
        raise NotFound
    return group


def _read(request: Request) -> tuple[listing.Filters, int, str | None]:
    """Return the filters, the limit and the cursor of a request. Raises `InvalidParameters`."""
    parameters = request.query_params
    errors: dict[str, str] = {}
    for name in parameters:
        values = parameters.getlist(name)
        if name not in PARAMETERS:
            errors[unstorable.sub("\ufffd", name[:100])] = "There is no such parameter."
        elif any(map(unstorable.search, values)):
            errors[name] = rules.NUL
        elif len(values) > 1 and name not in REPEATABLE:
            errors[name] = rules.ONCE
        elif len(values) > rules.MAX_VALUES:
            errors[name] = rules.TOO_MANY_VALUES
        elif name == "state" and not set(values) <= set(State.values):
            errors[name] = NOT_A_STATE
        elif name == "category" and "" in values:
            errors[name] = rules.EMPTY
    since = rules.read_time(parameters["since"], timezone.now()) if "since" in parameters else None
    if "since" in parameters and since is None and "since" not in errors:
        errors["since"] = rules.NOT_A_TIME
    terms = tuple(parameters.get("q", "").split())
    if len(terms) > rules.MAX_TERMS or any(len(term) > rules.MAX_TERM_CHARACTERS for term in terms):
        errors.setdefault("q", rules.TOO_MANY_TERMS)
    if errors:
        raise InvalidParameters(errors)
    filters = listing.Filters(
        tuple(sorted(parameters.getlist("state"))), tuple(sorted(parameters.getlist("category"))), since, terms
    )
    return filters, read_limit(parameters), parameters.get("cursor")


def _read_change(data: object) -> states.Change:
    """Return the change that a body asks for. Raises `InvalidBody`."""
    if not isinstance(data, dict):
        raise InvalidBody([Place((), ErrorDetail("This must be a JSON object.", code="invalid"))])
    errors: dict[str, ErrorDetail] = {}
    for name in data:
        if name not in CHANGEABLE:
            errors[unstorable.sub("\ufffd", name[:100])] = ErrorDetail("There is no such field.", code="unknown")
    state = data.get("state")
    if "state" in data and state not in [each.value for each in states.CHANGEABLE]:
        errors["state"] = ErrorDetail(NOT_A_CHANGE, code="invalid_choice")
    release = data.get("resolved_in")
    if release is not None:
        if not isinstance(release, str) or not release.strip() or unstorable.search(release):
            errors["resolved_in"] = ErrorDetail("This must be the name of a release, or null.", code="invalid")
        elif len(release) > MAX_TEXT_CHARACTERS:
            errors["resolved_in"] = ErrorDetail(f"At most {MAX_TEXT_CHARACTERS} characters.", code="max_length")
        elif state != State.RESOLVED:
            errors["resolved_in"] = ErrorDetail("This goes with the state `resolved`.", code="invalid")
    name, user = data.get("assigned_to"), None
    if name is not None:
        user = states.user_called(name) if isinstance(name, str) and not unstorable.search(name) else None
        if user is None:
            errors["assigned_to"] = ErrorDetail("There is no active user of this name.", code="does_not_exist")
    if errors:
        raise InvalidBody([Place((name,), detail) for name, detail in errors.items()])
    return states.Change(
        State(state) if state is not None else None,
        release,
        "assigned_to" in data,
        str(user.pk) if user is not None else None,
    )
