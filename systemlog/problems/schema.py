"""OpenAPI: one shared Problem schema, and for each operation the problems that it can respond with.

`AutoSchema` is for `DEFAULT_SCHEMA_CLASS`. `may_raise` adds the problem types that only the view knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db.models import PROTECT, RESTRICT, Model
from drf_spectacular import openapi
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.pagination import CursorPagination, LimitOffsetPagination, PageNumberPagination
from rest_framework.permissions import SAFE_METHODS, AllowAny
from rest_framework.settings import api_settings

from systemlog import compat
from systemlog.problems.exceptions import InvalidParameters, ProblemException
from systemlog.problems.pointers import json_pointer
from systemlog.problems.problem import MEDIA_TYPE
from systemlog.problems.registry import ProblemType, find_type
from systemlog.problems.types import type_of_status

Subject = TypeVar("Subject", bound=Callable[..., Any])

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "An error, in the format of RFC 9457.",
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The problem type; the URI leads to its documentation.",
        },
        "title": {"type": "string", "description": "The same for every occurrence of the type."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "Explanation of this occurrence, for people."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
        "correlation_id": {"type": "string", "description": "The id under which the log has this request."},
        "code": {"type": "string", "description": "For programs: more specific than the type, if the view gave one."},
        "accepted": {"type": "integer", "description": "Number of records of this request accepted before the error."},
        "errors_omitted": {"type": "integer", "description": "Number of further errors that `errors` does not list."},
        "violated-policies": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of the rate limits that refused the request.",
        },
        "errors": {
            "type": "array",
            "description": "The errors of the input, each with its place.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "code": {"type": "string", "description": "For programs; never translated."},
                    "pointer": {"type": "string", "description": "JSON Pointer into the body, as a URI fragment."},
                    "parameter": {"type": "string", "description": "Name of the query parameter."},
                    "header": {"type": "string", "description": "Name of the header."},
                    "column": {
                        "type": "integer",
                        "minimum": 1,
                        "description": "The first wrong character of the query parameter, counted from 1.",
                    },
                    "length": {"type": "integer", "minimum": 1, "description": "How many characters are wrong."},
                },
                "required": ["detail", "code"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "correlation_id"],
}


def may_raise(*problems: type[ProblemException] | ProblemType) -> Callable[[Subject], Subject]:
    """Decorate a view class, or one of its methods, with the problem types that its schema cannot derive."""
    types = [problem if isinstance(problem, ProblemType) else problem.problem_type for problem in problems]

    def mark(subject: Subject) -> Subject:
        subject.problem_types = [*getattr(subject, "problem_types", ()), *types]  # type: ignore[attr-defined]  # an attribute of ours
        return subject

    return mark


class AutoSchema(compat.ResponsesExtended, openapi.AutoSchema):
    """drf-spectacular's schema class, which adds the problem responses of each operation."""

    def extend_responses(self, responses: dict[str, Any]) -> None:
        """Add the problem responses, for each status that the view does not document itself."""
        for status, types in sorted(self._problems().items()):
            responses.setdefault(str(status), self._problem_response(status, types))

    def _problems(self) -> dict[int, list[ProblemType]]:
        """Return the problem types of this operation, by status."""
        types = [
            type_of_status(500),
            *self._types_of_policies(),
            *self._types_of_input(),
            *self._types_of_storage(),
            *self._own_types(),
        ]
        found: dict[int, list[ProblemType]] = {}
        for known in types:
            if known is not None and known not in found.setdefault(known.status_in_force, []):
                found[known.status_in_force].append(known)
        return found

    def _types_of_policies(self) -> Iterator[ProblemType | None]:
        authenticators = self.view.get_authenticators()
        is_guarded = any(type(permission) is not AllowAny for permission in self.view.get_permissions())
        can_fail = any(not isinstance(one, SessionAuthentication) for one in authenticators)
        # DRF asks the first authenticator for a challenge. Without a challenge it turns a 401 into a 403.
        has_challenge = bool(authenticators and authenticators[0].authenticate_header(self.view.request))
        if has_challenge and is_guarded:
            yield type_of_status(401)
        if has_challenge and can_fail:
            yield find_type("authentication-failed")
        if is_guarded or (can_fail and not has_challenge):
            yield type_of_status(403)
        if self.method not in SAFE_METHODS and any(isinstance(one, SessionAuthentication) for one in authenticators):
            yield find_type("csrf-failed")
        if self.view.get_throttles():
            yield type_of_status(429)
        if authenticators or getattr(self.view, "queryset", None) is not None:
            yield type_of_status(503)

    def _types_of_input(self) -> Iterator[ProblemType | None]:
        paginator = compat.schema_paginator(self)
        if "{" in self.path or isinstance(paginator, PageNumberPagination | CursorPagination):
            yield type_of_status(404)
        yield from self._types_of_parameters(paginator)
        if compat.schema_has_body(self):
            yield find_type("malformed-body")
            yield find_type("incomplete-body")
            yield find_type("validation-failed")
            yield type_of_status(413)
            yield type_of_status(415)

    def _types_of_parameters(self, paginator: object) -> Iterator[ProblemType | None]:
        """Yield the types for invalid query parameters.

        Parameters that search, sort or paginate cause no such problem: they accept any value or answer with a 404.
        """
        names, filtering, paginating = compat.schema_parameters(self)
        if isinstance(paginator, PageNumberPagination | CursorPagination | LimitOffsetPagination):
            names -= paginating
        if names & filtering - {api_settings.SEARCH_PARAM, api_settings.ORDERING_PARAM}:
            yield find_type("validation-failed")
        if names - filtering:
            yield InvalidParameters.problem_type

    def _types_of_storage(self) -> Iterator[ProblemType | None]:
        """Yield the types for refusals of the database: a taken value, a missing reference, a protected object."""
        if self.method == "DELETE":
            model = getattr(getattr(self.view, "queryset", None), "model", None)
            if model is not None and any(
                getattr(relation, "on_delete", None) in (PROTECT, RESTRICT) for relation in model._meta.related_objects
            ):
                yield find_type("still-referenced")
        elif compat.schema_has_body(self):
            serializer = self._request_serializer()
            if isinstance(serializer, serializers.ModelSerializer) and _can_conflict(serializer.Meta.model):
                yield type_of_status(409)

    def _own_types(self) -> Iterator[ProblemType]:
        yield from getattr(self.view, "problem_types", ())
        action = getattr(self.view, "action", None) or self.method.lower()
        yield from getattr(getattr(self.view, action, None), "problem_types", ())

    def _problem_response(self, status: int, types: list[ProblemType]) -> dict[str, Any]:
        description = "\n\n".join(f"[{known.title}]({known.uri}): {known.documentation}" for known in types)
        response: dict[str, Any] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": compat.reference(self.registry, "Problem", PROBLEM_SCHEMA)}},
            "x-problem-types": [known.uri for known in types],
        }
        if any(known.slug == "validation-failed" for known in types) and (codes := self._codes()):
            response["x-error-codes"] = codes
        return response

    def _codes(self) -> dict[str, list[str]]:
        """Return, by JSON Pointer of each field of the body, the codes that its errors can have."""
        serializer = self._request_serializer()
        return dict(_codes_of(serializer, "#")) if isinstance(serializer, serializers.BaseSerializer) else {}

    def _request_serializer(self) -> object:
        serializer = self.get_request_serializer()
        return serializer() if isinstance(serializer, type) else serializer


def _can_conflict(model: type[Model]) -> bool:
    """Return whether the model has a unique constraint or a foreign key that a new row can violate."""
    options = model._meta
    return bool(options.unique_together or options.total_unique_constraints) or any(
        field.remote_field is not None or (field.unique and not field.primary_key) for field in options.local_fields
    )


def _can_occur(code: str, field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Return whether the options of the field allow the error `code`. Every field has messages for all its codes."""
    match code:
        case "required":
            return field.required
        case "null":
            return not field.allow_null
        case "blank":
            return not getattr(field, "allow_blank", False)
        case "empty":
            return not getattr(field, "allow_empty", True)
        case "max_length" | "min_length" | "max_value" | "min_value":
            return getattr(field, code, None) is not None
    return True


def _codes_of(field: serializers.Field[Any, Any, Any, Any], pointer: str) -> Iterator[tuple[str, list[str]]]:
    codes = {code for code in field.error_messages if _can_occur(code, field)}
    codes.update(str(code) for validator in field.validators if (code := getattr(validator, "code", None)))
    yield pointer, sorted(codes)
    if isinstance(field, serializers.Serializer):
        for name, child in field.fields.items():
            if not child.read_only:
                yield from _codes_of(child, f"{pointer}/{json_pointer([name])[2:]}")
    elif (items := getattr(field, "child", None)) is not None:
        yield from _codes_of(items, f"{pointer}/*")
