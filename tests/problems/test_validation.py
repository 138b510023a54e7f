"""Failed validations: the pointers, texts and number of their errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError as DjangoValidationError
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from systemlog.problems import InvalidParameters, Problem, exception_handler, json_pointer
from systemlog.problems.pointers import flatten
from systemlog.problems.testing import assert_problem

JSON = "application/json"


def answer(exc: Exception, method: str = "POST", path: str = "/x/", **context: Any) -> Problem:
    """Return the problem that the exception handler makes of `exc`."""
    request = Request(getattr(RequestFactory(), method.lower())(path))
    response = exception_handler(exc, {"request": request, "view": None, **context})
    assert response is not None
    return Problem.from_response(response)


def pointers(detail: Any) -> list[str | None]:
    """Return the pointers of a ValidationError with this detail."""
    return [error.pointer for error in answer(ValidationError(detail)).errors]


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        pytest.param("no", ["#"], id="text"),
        pytest.param(["no", "never"], ["#", "#"], id="list of texts"),
        pytest.param({"name": ["no"]}, ["#/name"], id="field"),
        pytest.param({"name": "no"}, ["#/name"], id="field with a bare text"),
        pytest.param({"non_field_errors": ["no"]}, ["#"], id="non-field"),
        pytest.param({"address": {"non_field_errors": ["no"]}}, ["#/address"], id="nested non-field"),
        pytest.param({"items": [{}, {"price": ["no"]}]}, ["#/items/1/price"], id="list of items"),
        pytest.param({"items": [{"price": ["no"]}, {}]}, ["#/items/0/price"], id="first item"),
        pytest.param({"items": {0: {"price": ["no"]}}}, ["#/items/0/price"], id="items by index"),
        pytest.param({0: {"price": ["no"]}}, ["#/0/price"], id="index 0 at the root"),
        pytest.param([{"price": ["no"]}], ["#/0/price"], id="list at the root"),
        pytest.param([{}, {}, {"a": ["no"]}], ["#/2/a"], id="third at the root"),
        pytest.param({"tags": {1: ["no"]}}, ["#/tags/1"], id="list field"),
        pytest.param({"m": [[{"a": ["no"]}], [{}, {"b": ["no"]}]]}, ["#/m/0/0/a", "#/m/1/1/b"], id="lists in lists"),
        pytest.param({"m": ["no", {"a": ["no"]}]}, ["#/m", "#/m/1/a"], id="text and item in one list"),
        pytest.param({"a.b": ["no"]}, ["#/a.b"], id="dot"),
        pytest.param({"a/b": ["no"]}, ["#/a~1b"], id="slash"),
        pytest.param({"a~b": ["no"]}, ["#/a~0b"], id="tilde"),
        pytest.param({"a~1b": ["no"]}, ["#/a~01b"], id="tilde and one"),
        pytest.param({"a b": ["no"]}, ["#/a%20b"], id="space"),
        pytest.param({"a%b": ["no"]}, ["#/a%25b"], id="percent"),
        pytest.param({'"#': ["no"]}, ["#/%22%23"], id="quote and hash"),
        pytest.param({"ä": ["no"]}, ["#/%C3%A4"], id="beyond ASCII"),
        pytest.param({"": ["no"]}, ["#/"], id="empty key"),
        pytest.param({"a": {"": ["no"]}}, ["#/a/"], id="empty key, nested"),
        pytest.param({"\ud800": ["no"]}, ["#/?"], id="lone surrogate"),
    ],
)
def test_an_error_points_to_its_place(detail: Any, expected: list[str]) -> None:
    assert pointers(detail) == expected


def test_keys_that_a_client_made_up_are_not_kept_in_memory() -> None:
    from systemlog.problems import pointers as module

    before = module._cached_token.cache_info().currsize
    assert pointers({"x" * 500: ["no"]}) == ["#/" + "x" * 500]
    assert module._cached_token.cache_info().currsize == before


def test_a_pointer_that_is_too_long_ends_at_the_container(settings: Any) -> None:
    long = "x" * 1500
    assert pointers({"a": {long: {"b": ["no"]}}}) == [f"#/a/{long}/b"]
    assert pointers({"a": {long: {long: ["no"]}}}) == [f"#/a/{long}"]
    assert pointers({"a": {"x" * 1_000_000: [{"b": ["no"]}]}}) == ["#/a"]


@pytest.mark.parametrize("detail", [{}, [], {"a": []}, {"a": {}}, [{}, {}]])
def test_errors_is_never_empty(detail: Any) -> None:
    assert pointers(detail) == ["#"]


keys = st.text(max_size=5) | st.integers(0, 9)
details = st.recursive(
    st.just("no"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=20,
)


def read(document: Any, pointer: str) -> Any:
    """Return the value to which an RFC 6901 pointer in a URI fragment points."""
    from urllib.parse import unquote

    for token in pointer[1:].split("/")[1:]:
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


@given(st.lists(st.text() | st.integers(0, 3), max_size=6))
def test_a_pointer_leads_back_to_its_place(path: list[str | int]) -> None:
    document: Any = "found"
    for key in reversed(path):
        document = [None] * key + [document] if isinstance(key, int) else {key: document}
    assert read(document, json_pointer(path)) == "found"


@given(details)
def test_every_message_is_found_once(detail: Any) -> None:
    assert [place.detail for place in flatten(detail)].count("no") == messages_in(detail)


def messages_in(detail: Any) -> int:
    """Return the number of messages in a nested detail. Keys do not count."""
    if isinstance(detail, dict):
        return sum(map(messages_in, detail.values()))
    return sum(map(messages_in, detail)) if isinstance(detail, list) else int(detail == "no")


def test_nested_lists_from_a_request_keep_their_indexes(client: Client) -> None:
    body = {"customer": "x", "items": [{"price": 1}, {"price": 101}, {"price": 2, "kind": "meat"}], "tags": ["abcde"]}
    response = client.post("/orders/", body, JSON)
    problem = assert_problem(response, type="validation-failed", status=400)
    assert [(error.pointer, error.code) for error in problem.errors] == [
        ("#/items/1/price", "max_value"),
        ("#/items/2/kind", "invalid_choice"),
        ("#/tags/0", "max_length"),
    ]


def test_an_error_of_the_whole_points_to_the_whole(client: Client) -> None:
    assert_problem(client.post("/orders/", {"customer": "nobody"}, JSON), pointer="#", code="invalid")


def test_a_body_that_is_no_object_points_to_the_whole(client: Client) -> None:
    problem = assert_problem(client.post("/orders/", json.dumps(["secret"]), JSON), pointer="#")
    assert "list" not in problem.errors[0].detail


def test_the_status_is_a_setting(client: Client, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "VALIDATION_STATUS": 422}
    assert_problem(client.post("/orders/", {}, JSON), type="validation-failed", status=422)


def test_the_list_of_errors_is_cut_and_says_so(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_MAX_ERRORS": 3}
    problem = answer(ValidationError({f"f{i}": ["no"] for i in range(10)}))
    assert [error.pointer for error in problem.errors] == ["#/f0", "#/f1", "#/f2"]
    assert problem.extensions["errors_omitted"] == 7


def test_each_of_many_errors_is_looked_at_once() -> None:
    class Counted(list[Any]):
        looks = 0

        def __getitem__(self, index: Any) -> Any:
            Counted.looks += 1
            return super().__getitem__(index)

    assert len(list(flatten(Counted([{"a": ["no"]}] * 40_000)))) == 40_000
    assert Counted.looks == 40_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(serializers.ChoiceField(["a"]), "hunter2secret", id="choice"),
        pytest.param(serializers.MultipleChoiceField(choices=["a"]), ["hunter2secret"], id="choices"),
        pytest.param(serializers.ListField(), "hunter2secret", id="list"),
        pytest.param(serializers.DictField(), "hunter2secret", id="dict"),
        pytest.param(serializers.Serializer(), "hunter2secret", id="serializer"),
        pytest.param(serializers.RegexField("x"), "hunter2secret", id="regex"),
    ],
)
def test_a_field_does_not_repeat_its_value_or_the_types_of_the_program(field: Any, value: Any) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  (each field has its own way)
        type("S", (serializers.Serializer,), {"field": field})(data={"field": value}).is_valid(raise_exception=True)
    if not isinstance(raised.value, ValidationError):
        pytest.skip("not a refusal")
    body = json.dumps(answer(raised.value).as_dict())
    assert "hunter2secret" not in body
    assert not {'"str', "str.", "dict.", "got", "type"} & set(body.partition('"errors"')[2].split())


def test_a_message_of_the_projects_own_does_not_repeat_the_value_either(client: Client) -> None:
    request = Request(RequestFactory().post("/x/"))
    request._full_data = {"iban": "DE0012345678"}  # as if the view had parsed the body
    exc = ValidationError({"iban": ["DE0012345678 is no IBAN."]})
    response: Any = exception_handler(exc, {"request": request, "view": None})
    assert b"DE0012345678" not in response.content
    assert_problem(response, pointer="#/iban", code="invalid")


def test_an_error_of_the_whole_does_not_repeat_the_value_of_a_member() -> None:
    request = Request(RequestFactory().post("/x/"))
    request._full_data = {"iban": "DE0012345678", "owner": {"name": "hunter2"}}
    response: Any = exception_handler(ValidationError("DE0012345678 is taken."), {"request": request, "view": None})
    assert b"DE0012345678" not in response.content
    assert_problem(response, pointer="#", code="invalid")


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (DjangoValidationError("no"), ("#", "no", "invalid")),
        (DjangoValidationError("no", code="taken"), ("#", "no", "taken")),
        (DjangoValidationError({"name": ["no"]}), ("#/name", "no", "invalid")),
        (DjangoValidationError({"__all__": ["no"]}), ("#", "no", "invalid")),
        (
            DjangoValidationError("%(value)s is no", params={"value": "hunter2secret"}),
            ("#", "Enter a valid value.", "invalid"),
        ),
        (
            DjangoValidationError("at most %(limit_value)s", code="max_value", params={"limit_value": 5, "value": 6}),
            ("#", "at most 5", "max_value"),
        ),
    ],
)
def test_djangos_own_validation_error_is_the_same_problem(exc: Exception, expected: tuple[str, str, str]) -> None:
    problem = answer(exc)
    assert problem.type == "/problems/validation-failed"
    assert [(error.pointer, error.detail, error.code) for error in problem.errors] == [expected]


def test_names_are_those_of_the_wire() -> None:
    from rest_framework.renderers import JSONRenderer
    from rest_framework.views import APIView

    class Camel(JSONRenderer):
        def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
            def rename(key: str) -> str:
                first, *rest = key.split("_")
                return first + "".join(map(str.capitalize, rest))

            renamed = {rename(key): value for key, value in data.items()}
            rendered: bytes = super().render(renamed, *args, **kwargs)
            return rendered

    class View(APIView):
        renderer_classes = [Camel]

    exc = ValidationError({"postal_address": {"zip_code": ["no"], 0: ["no"]}})
    problem = answer(exc, view=View())
    assert [error.pointer for error in problem.errors] == ["#/postalAddress/zipCode", "#/postalAddress/0"]
    assert problem.correlation_id


class TestParameters:
    def test_each_bad_parameter_is_named(self) -> None:
        exc = InvalidParameters({"limit": "Must be a number.", "level": ["Unknown.", ErrorDetail("No.", code="no")]})
        problem = answer(exc, "GET")
        assert (problem.type, problem.status) == ("/problems/invalid-parameters", 400)
        assert [(error.parameter, error.detail, error.code) for error in problem.errors] == [
            ("limit", "Must be a number.", "invalid"),
            ("level", "Unknown.", "invalid"),
            ("level", "No.", "no"),
        ]
        assert all(error.pointer is None for error in problem.errors)

    def test_errors_is_never_empty(self) -> None:
        assert [error.code for error in answer(InvalidParameters({}), "GET").errors] == ["invalid"]

    def test_a_value_is_not_repeated(self) -> None:
        problem = answer(InvalidParameters({"q": "hunter2secret is too long."}), "GET", "/x/?q=hunter2secret")
        assert "hunter2secret" not in str(problem.as_dict())

    def test_a_validation_error_without_a_body_is_about_parameters(self) -> None:
        problem = answer(ValidationError({"level": ["Unknown."]}), "GET")
        assert [(error.parameter, error.pointer) for error in problem.errors] == [("level", None)]

    def test_the_list_is_cut(self, settings: Any) -> None:
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_MAX_ERRORS": 2}
        problem = answer(InvalidParameters({f"p{i}": "no" for i in range(5)}), "GET")
        assert len(problem.errors) == 2
        assert problem.extensions["errors_omitted"] == 3
