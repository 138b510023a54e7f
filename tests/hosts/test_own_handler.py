"""An API whose exception handler calls ours and adds to what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import path
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.problems import Problem, exception_handler
from systemlog.problems.testing import assert_problem


def adds_members(exc: Exception, context: Any) -> Any:
    response: Any = exception_handler(exc, context)
    response.data["support"] = "help@example.com"
    response["X-Support"] = "help@example.com"
    return response


def changes_the_status(exc: Exception, context: Any) -> Any:
    response: Any = exception_handler(exc, context)
    response.status_code = 410
    return response


def adds_what_json_has_not(exc: Exception, context: Any) -> Any:
    response: Any = exception_handler(exc, context)
    response.data["support"] = object()
    return response


class Orders(APIView):
    authentication_classes: tuple[()] = ()
    permission_classes: tuple[()] = ()
    handler: Any = None

    def get_exception_handler(self) -> Any:
        return self.handler

    def get(self, request: Request) -> Response:
        raise NotFound


urlpatterns = [
    path(handler.__name__, Orders.as_view(handler=staticmethod(handler)))
    for handler in (adds_members, changes_the_status, adds_what_json_has_not)
]


@pytest.fixture
def client(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_what_a_handler_around_ours_adds_is_in_the_body(client: Client) -> None:
    response = client.get("/adds_members")

    problem = assert_problem(response, type="not-found", status=404)
    assert problem.extensions["support"] == "help@example.com"
    assert response.headers["X-Support"] == "help@example.com"
    assert response.headers["Content-Length"] == str(len(response.content))
    head = client.head("/adds_members")
    assert (head.content, head.headers["Content-Length"]) == (b"", response.headers["Content-Length"])


def test_the_status_in_the_body_is_that_of_the_response(client: Client) -> None:
    response = client.get("/changes_the_status")
    assert (response.status_code, Problem.from_response(response).status) == (410, 410)


def test_what_has_no_form_in_json_is_an_internal_error(client: Client) -> None:
    assert_problem(client.get("/adds_what_json_has_not"), type="internal-error", status=500)
