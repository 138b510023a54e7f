"""Error details in the formats of views and libraries, and the parts that a problem keeps."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import path
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound, PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.problems.testing import assert_problem

JSON = "application/json"


class Line(serializers.Serializer[Any]):
    sku = serializers.CharField()


class Order(serializers.Serializer[Any]):
    lines = Line(many=True)


class InvalidToken(AuthenticationFailed):
    """The exception of simplejwt."""

    default_code = "token_not_valid"

    def __init__(self) -> None:
        super().__init__()
        self.detail = {
            "detail": AuthenticationFailed("Given token not valid for any token type").detail,
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken"}],
        }


class Teapot(APIException):
    status_code = 418
    default_detail = "Short and stout."
    default_code = "teapot"


RAISED = {
    "an object": InvalidToken(),
    "a code of its own": PermissionDenied("The trial is over.", code="trial_over"),
    "the class's code": PermissionDenied("Not you."),
    "a class of its own": Teapot(),
    "a class of its own with a code": Teapot("Empty.", code="no_tea"),
}

RETURNED: dict[str, tuple[int, Any]] = {
    "lazy": (404, {"detail": gettext_lazy("Not found.")}),
    "handled": (404, {"detail": NotFound().detail}),
    "no errors": (400, [{}, {}]),
    "a text among errors": (400, {"a": NotFound().detail, "b": "text"}),
}


class Open(APIView):
    authentication_classes: tuple[()] = ()
    permission_classes: tuple[()] = ()


class Raises(Open):
    authentication_classes = (BasicAuthentication,)

    def get(self, request: Request, name: str) -> Response:
        raise RAISED[name]


class Returns(Open):
    def get(self, request: Request, name: str) -> Response:
        status, data = RETURNED[name]
        return Response(data, status=status)


class ReturnsErrors(Open):
    def post(self, request: Request) -> Response:
        many = isinstance(request.data, list)
        serializer = Line(data=request.data, many=True) if many else Order(data=request.data)
        serializer.is_valid()
        return Response(serializer.errors, status=400)


class Guarded(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response()


urlpatterns = [
    path("guarded", Guarded.as_view()),
    path("raises/<name>", Raises.as_view()),
    path("returns/<name>", Returns.as_view()),
    path("returns-errors", ReturnsErrors.as_view()),
]


@pytest.fixture(autouse=True)
def _views(site: None, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([{"sku": "a"}, {}], "#/1/sku"),
        ({"lines": [{"sku": "a"}, {}]}, "#/lines/1/sku"),
        ([{"sku": "a"}] * 5 + [{}], "#/5/sku"),
    ],
)
def test_returned_errors_are_a_failed_validation_wherever_the_first_one_is(
    client: Client, body: Any, pointer: str
) -> None:
    response = client.post("/returns-errors", body, JSON)
    assert_problem(response, type="validation-failed", status=400, pointer=pointer, code="required")


def test_a_lazy_detail_is_the_problems_detail(client: Client) -> None:
    response = client.get("/returns/lazy", headers={"Accept-Language": "de"})
    assert assert_problem(response, type="not-found", status=404).detail == "Nicht gefunden."


@pytest.mark.parametrize("name", ["no errors", "a text among errors"])
def test_what_is_no_set_of_errors_stays_as_the_view_wrote_it(client: Client, name: str) -> None:
    assert client.get(f"/returns/{name}").json() == RETURNED[name][1]


@pytest.mark.parametrize(
    ("name", "status", "detail", "code"),
    [
        ("an object", 401, "Given token not valid for any token type", "token_not_valid"),
        ("a code of its own", 403, "The trial is over.", "trial_over"),
        ("the class's code", 403, "Not you.", None),
        ("a class of its own", 418, "Short and stout.", None),
        ("a class of its own with a code", 418, "Empty.", "no_tea"),
    ],
)
def test_text_and_code_of_an_exception_are_kept(
    client: Client, name: str, status: int, detail: str, code: str | None
) -> None:
    problem = assert_problem(client.get(f"/raises/{name}"), status=status)
    assert (problem.detail, problem.extensions.get("code")) == (detail, code)


def test_where_nobody_can_be_challenged_a_missing_login_is_told_as_one(client: Client) -> None:
    problem = assert_problem(client.get("/guarded"), type="permission-denied", status=403)
    assert problem.detail == "Authentication credentials were not provided."


def test_what_drfs_own_handler_returned_has_no_code_that_its_type_says(client: Client) -> None:
    problem = assert_problem(client.get("/returns/handled"), type="not-found", status=404)
    assert "code" not in problem.extensions
