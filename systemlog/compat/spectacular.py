"""Private APIs of drf-spectacular."""

from __future__ import annotations

from typing import Any


class ResponsesExtended:
    """A mixin for drf-spectacular's AutoSchema: `extend_responses` may add to the responses of an operation.

    The library has no hook between the responses of the serializer and the operation (`_get_response_bodies`; 0.27 to
    0.30).
    """

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)  # type: ignore[misc]  # of AutoSchema
        self.extend_responses(responses)
        return responses

    def extend_responses(self, responses: dict[str, Any]) -> None:
        """Add to the responses, a dictionary by status."""
        raise NotImplementedError


def schema_paginator(schema: Any) -> object:
    """Return the paginator of a list operation, else None (drf-spectacular 0.27 to 0.30)."""
    return schema._get_paginator() if schema._is_list_view() else None


def schema_has_body(schema: Any) -> bool:
    """Return whether the operation takes a request body (drf-spectacular 0.27 to 0.30)."""
    return bool(schema._get_request_body())


def schema_parameters(schema: Any) -> tuple[set[str], set[str], set[str]]:
    """Return the names of all query parameters, of those that filter, and of those that paginate.

    Only drf-spectacular's private methods tell them apart (0.27 to 0.30).
    """
    every = {parameter["name"] for parameter in schema._get_parameters() if parameter["in"] == "query"}
    filtering = {parameter["name"] for parameter in schema._get_filter_parameters()}
    paginating = {parameter["name"] for parameter in schema._get_pagination_parameters()}
    return every, filtering, paginating


def map_fields(auto_schema: Any, serializer: Any, direction: str) -> dict[str, Any]:
    """Return the schema that drf-spectacular makes of a serializer's fields, without asking extensions.

    An extension that adds to this schema needs it, and drf-spectacular has it in a private method only: the public
    `resolve_serializer` would ask the extension again (`_map_basic_serializer`; 0.28 to 0.30).
    """
    schema: dict[str, Any] = auto_schema._map_basic_serializer(serializer, direction)
    return schema


def choice_schema(choices: Any) -> dict[str, Any]:
    """Return the schema of a choice, with the mark by which drf-spectacular finds equal ones (0.27 to 0.30)."""
    from drf_spectacular.plumbing import build_choice_field
    from rest_framework.serializers import ChoiceField

    return build_choice_field(ChoiceField(choices=choices))


def reference(registry: Any, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to the schema, which becomes a component of the document by this name (0.27 to 0.30)."""
    from drf_spectacular.plumbing import ResolvedComponent

    component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema)
    registry.register_on_missing(component)
    return component.ref
