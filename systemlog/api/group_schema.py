"""The parameters and bodies of the error groups in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from systemlog.api.schema import CURSOR, DEFAULT_LIMIT, MAX_LIMIT, NO_NUL, TEXT, TIME, TIME_HELP
from systemlog.groups.states import CHANGEABLE
from systemlog.models import Level
from systemlog.models.groups import Kind, State

STATE = {"type": "string", "enum": State.values}
GROUP_ID = OpenApiParameter(
    "id",
    {"type": "string", "pattern": "^[0-9A-Za-z]{8,32}$"},
    OpenApiParameter.PATH,
    description="The id of a group: `group` in its records.",
)
GROUP_PARAMETERS = [
    OpenApiParameter("state", {"type": "array", "items": STATE}, description="In one of these states; repeatable."),
    OpenApiParameter(
        "category",
        {"type": "array", "items": TEXT},
        description="Of one of these categories; `shop.*` is all that begin so; repeatable.",
    ),
    OpenApiParameter("since", TIME, description=f"Seen since. {TIME_HELP}"),
    OpenApiParameter(
        "q", {"type": "string", "pattern": NO_NUL}, description="Every term is in the title, in any case."
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="Groups on a page.",
    ),
    OpenApiParameter("cursor", CURSOR, description="From `next` of a page."),
]


@extend_schema_field({"type": "string", "pattern": "^(eq|gte)$"})
class UsersRelation(serializers.CharField):
    """`gte` where users are not counted further."""


class GroupSerializer(serializers.Serializer[Any]):
    """A group of records: one error."""

    id = serializers.RegexField("^[0-9A-Za-z]{8,32}$")
    kind = serializers.ChoiceField(choices=Kind.choices)
    title = serializers.CharField()
    level = serializers.ChoiceField(choices=Level.choices)
    category = serializers.CharField()
    source = serializers.CharField(help_text="The source of the record that made the group.")  # type: ignore[assignment]  # REST framework's own `source` is a text
    state = serializers.ChoiceField(choices=State.choices)
    first_seen = serializers.DateTimeField(allow_null=True)
    last_seen = serializers.DateTimeField(allow_null=True)
    count = serializers.IntegerField(help_text="The number of records that are stored.")
    pruned = serializers.IntegerField(help_text="The number of records that retention has removed.")
    users = serializers.IntegerField(help_text="The number of different users.")
    users_relation = UsersRelation()
    releases = serializers.ListField(child=serializers.CharField(), help_text="The last releases that had it.")
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_in = serializers.CharField(allow_null=True)
    assigned_to = serializers.CharField(allow_null=True, help_text="The name of a user.")


@extend_schema_serializer(many=False)
class GroupsSerializer(serializers.Serializer[Any]):
    """A page of groups, those seen last first."""

    items = GroupSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="URL of the next page.")


@extend_schema_field({"type": "string", "enum": [each.value for each in CHANGEABLE]})
class ChangedState(serializers.CharField):
    """A state that a person can give."""


class GroupChangeSerializer(serializers.Serializer[Any]):
    """The fields of a group that a client changes."""

    state = ChangedState(required=False)
    assigned_to = serializers.CharField(required=False, allow_null=True, help_text="The name of a user.")
    resolved_in = serializers.CharField(
        required=False, allow_null=True, help_text="With the state `resolved`: the release with the correction."
    )
