"""Query parameters that are declared like a serializer. Unknown, repeated and malformed ones are errors."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from systemlog.problems.exceptions import InvalidParameters
from systemlog.problems.pointers import flatten

_integer = re.compile(r"[+-]?[0-9]+").fullmatch
"""Matches an integer in ASCII digits. DRF's IntegerField also accepts Arabic digits, `5_0` and `5.0`."""

LIST_FIELDS = (serializers.ListField, serializers.MultipleChoiceField)


class Parameters(serializers.Serializer[Any]):
    """The query parameters of an operation. A subclass declares them as fields.

    class Page(Parameters):
        limit = serializers.IntegerField(min_value=1, max_value=100, default=20)

    Page.read(request)["limit"]
    """

    @classmethod
    def read(cls, request: Request | HttpRequest) -> dict[str, Any]:
        """Return the validated values of the request's query. Raises `InvalidParameters`, which names each error."""
        query = request.GET
        parameters = cls(data=query)
        wrong = parameters.refuse(query)
        refused = set(wrong)
        if not parameters.is_valid():
            for path, detail in flatten(parameters.errors):
                name = str(path[0]) if path else ""
                if name not in refused:
                    wrong.setdefault(name, []).append(detail)
        if wrong:
            raise InvalidParameters(wrong)
        values: dict[str, Any] = parameters.validated_data
        return values

    def refuse(self, query: QueryDict) -> dict[str, list[str]]:
        """Return, by parameter, the errors that a serializer does not find: unknown names, repetition, odd integers."""
        wrong: dict[str, list[str]] = {}
        for name, values in query.lists():
            field = self.fields.get(name)
            if field is None:
                wrong[name] = [serializers.ErrorDetail("There is no such parameter.", code="unknown")]
            elif len(values) > 1 and not isinstance(field, LIST_FIELDS):
                wrong[name] = [serializers.ErrorDetail("This may be given once.", code="repeated")]
            elif _is_of_integers(field) and not all(map(_integer, values)):
                field = getattr(field, "child", field)
                wrong[name] = [serializers.ErrorDetail(str(field.error_messages["invalid"]), code="invalid")]
        return wrong


def _is_of_integers(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return isinstance(getattr(field, "child", field), serializers.IntegerField)
