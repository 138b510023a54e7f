"""Query parameters, declared like a serializer and read strictly: what is unknown, repeated or odd is named."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from systemlog.problems.exceptions import InvalidParameters
from systemlog.problems.pointers import flatten

_integer = re.compile(r"[+-]?[0-9]+").fullmatch
"""DRF's IntegerField takes what `int()` takes (Arabic digits, `5_0`), and `5.0`."""

Lists = (serializers.ListField, serializers.MultipleChoiceField)


class Parameters(serializers.Serializer[Any]):
    """The query parameters of an operation; a subclass declares them as fields.

    class Page(Parameters):
        limit = serializers.IntegerField(min_value=1, max_value=100, default=20)

    Page.read(request)["limit"]
    """

    @classmethod
    def read(cls, request: Request | HttpRequest) -> dict[str, Any]:
        """The values, checked. Raises `InvalidParameters`, which names each parameter that is not as declared."""
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
        """What DRF would let pass: parameters that are not declared, are repeated, or are integers in other digits."""
        wrong: dict[str, list[str]] = {}
        for name, values in query.lists():
            field = self.fields.get(name)
            if field is None:
                wrong[name] = [serializers.ErrorDetail("There is no such parameter.", code="unknown")]
            elif len(values) > 1 and not isinstance(field, Lists):
                wrong[name] = [serializers.ErrorDetail("This may be given once.", code="repeated")]
            elif _is_of_integers(field) and not all(map(_integer, values)):
                field = getattr(field, "child", field)
                wrong[name] = [serializers.ErrorDetail(str(field.error_messages["invalid"]), code="invalid")]
        return wrong


def _is_of_integers(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return isinstance(getattr(field, "child", field), serializers.IntegerField)
