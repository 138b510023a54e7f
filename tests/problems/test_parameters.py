"""Query parameters that are read strictly."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import serializers

from systemlog.problems import InvalidParameters
from systemlog.problems.parameters import Parameters


class Page(Parameters):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    ids = serializers.ListField(child=serializers.IntegerField(), required=False)
    level = serializers.MultipleChoiceField(choices=["INFO", "ERROR"], required=False)


def read(query: str) -> dict[str, Any]:
    return Page.read(RequestFactory().get(f"/?{query}"))


def test_values_come_as_declared() -> None:
    values = read("limit=5&level=INFO&level=ERROR")
    assert values["limit"] == 5
    assert read("ids=1&ids=2")["ids"] == [1, 2]
    assert sorted(values["level"]) == ["ERROR", "INFO"]
    assert read("")["limit"] == 20


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("limit=0", "limit", "min_value"),
        ("limit=x", "limit", "invalid"),
        ("limit=", "limit", "invalid"),
        ("limit=5.0", "limit", "invalid"),
        ("limit=5_0", "limit", "invalid"),
        ("limit=%D9%A3", "limit", "invalid"),
        ("limit=%205", "limit", "invalid"),
        ("limit=1e1", "limit", "invalid"),
        ("ids=1&ids=5_0", "ids", "invalid"),
        ("limit=1&limit=2", "limit", "repeated"),
        ("limt=1", "limt", "unknown"),
        ("level=LOUD", "level", "invalid_choice"),
    ],
)
def test_what_is_not_as_declared_is_named_once(query: str, parameter: str, code: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read(query)
    assert [(error.parameter, error.code) for error in refused.value.errors] == [(parameter, code)]
