"""The assertion for the tests of projects: it returns the problem, or names the difference."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from systemlog.problems import Problem
from systemlog.problems.testing import assert_problem

BODY = {
    "type": "https://errors.example/validation-failed",
    "title": "Validation failed",
    "status": 400,
    "detail": "Invalid input.",
    "instance": "/orders/",
    "correlation_id": "abc",
    "errors": [
        {"detail": "No.", "code": "invalid", "pointer": "#/a"},
        {"detail": "No.", "code": "unknown", "parameter": "q"},
        {"detail": "No.", "code": "missing", "header": "If-Match"},
    ],
}


def response(status: int = 400, content_type: str = "application/problem+json", **members: object) -> httpx.Response:
    """Return a response with the body above."""
    return httpx.Response(status, headers={"Content-Type": content_type}, content=json.dumps({**BODY, **members}))


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"type": "validation-failed", "status": 400},
        {"type": "https://errors.example/validation-failed"},
        {"pointer": "#/a"},
        {"pointer": "#/a", "code": "invalid"},
        {"parameter": "q", "code": "unknown"},
        {"header": "If-Match"},
        {"code": "missing"},
    ],
)
def test_what_holds_gives_the_problem(expected: dict[str, Any]) -> None:
    assert assert_problem(response(), **expected) == Problem.from_dict(BODY)


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"type": "not-found"}, "type is https://errors.example/validation-failed, not not-found"),
        ({"type": "failed"}, "not failed"),
        ({"status": 422}, "status is 400, not 422"),
        ({"pointer": "#/b"}, "#/b"),
        ({"pointer": "#/a", "code": "unknown"}, "no error with"),
        ({"parameter": "a"}, "no error with"),
        ({"header": "q"}, "no error with"),
    ],
)
def test_what_does_not_hold_is_said(expected: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        assert_problem(response(), **expected)


def test_two_statuses_are_a_contradiction() -> None:
    with pytest.raises(AssertionError, match="400 in the body, 404 outside"):
        assert_problem(response(404))


def test_what_is_no_problem_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"application/json.*The status is 500.*Oh no"):
        assert_problem(response(500, "application/json", title="Oh no"))
