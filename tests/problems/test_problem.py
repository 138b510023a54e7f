"""The class `Problem`, with which clients read problems."""

from __future__ import annotations

import json

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from systemlog.problems import FieldError, NotAProblem, Problem

BODY = {
    "type": "/problems/validation-failed",
    "title": "Validation failed",
    "status": 400,
    "detail": "Invalid input.",
    "instance": "/orders/",
    "correlation_id": "abc",
    "errors": [
        {"detail": "No.", "code": "invalid", "pointer": "#/a"},
        {"detail": "No.", "code": "no", "parameter": "q"},
    ],
    "accepted": 3,
}


def test_a_body_is_read_into_typed_members() -> None:
    problem = Problem.from_dict(BODY)
    assert problem.status == 400
    assert problem.errors == (
        FieldError(detail="No.", code="invalid", pointer="#/a"),
        FieldError(detail="No.", code="no", parameter="q"),
    )
    assert problem.extensions == {"accepted": 3}


def test_what_is_read_can_be_written_again() -> None:
    assert Problem.from_dict(BODY).as_dict() == BODY


def test_responses_of_httpx_and_requests_are_read() -> None:
    headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    by_requests = requests.Response()
    by_requests.headers.update(headers)
    by_requests._content = json.dumps(BODY).encode()
    by_httpx = httpx.Response(400, headers=headers, content=json.dumps(BODY))
    assert Problem.from_response(by_httpx) == Problem.from_response(by_requests) == Problem.from_dict(BODY)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [("application/json", b"{}"), ("application/problem+json", b"{"), ("application/problem+json", b"[]"), (None, b"")],
)
def test_what_is_no_problem_is_refused(content_type: str | None, content: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with pytest.raises(NotAProblem):
        Problem.from_response(httpx.Response(400, headers=headers, content=content))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*BODY, "other"]), json_values))
def test_members_of_the_wrong_type_are_ignored(body: dict[str, object]) -> None:
    problem = Problem.from_dict(body)
    assert isinstance(problem.type, str)
    assert problem.status is None or isinstance(problem.status, int)
    assert all(isinstance(error.detail, str) for error in problem.errors)
