"""An assertion about problem responses, for the tests of this package and of projects."""

from __future__ import annotations

from systemlog.problems.problem import AnyResponse, NotAProblem, Problem

SHOWN_CHARS = 300
"""The number of bytes of the body that the message shows if the response is not a problem."""


def assert_problem(
    response: AnyResponse,
    *,
    type: str | None = None,  # noqa: A002  (the member's name)
    status: int | None = None,
    pointer: str | None = None,
    parameter: str | None = None,
    header: str | None = None,
    code: str | None = None,
) -> Problem:
    """Assert that the response is a problem, and return it.

    `type` (URI or slug) and `status` must match if given. If any of `pointer`, `parameter`, `header` and `code` is
    given, one entry of `errors` must have all of them. Raises AssertionError.
    """
    outside = getattr(response, "status_code", None)
    try:
        problem = Problem.from_response(response)
    except NotAProblem as error:
        shown = response.content[:SHOWN_CHARS].decode(errors="replace")
        raise AssertionError(f"{error} The status is {outside}, and the body begins: {shown}") from error
    _expect(problem.status == outside, f"status is {problem.status} in the body, {outside} outside")
    if type is not None:
        known = (problem.type, problem.type.rpartition("/")[2])
        _expect(type in known, f"type is {problem.type}, not {type}: {problem.detail}")
    if status is not None:
        _expect(problem.status == status, f"status is {problem.status}, not {status}: {problem.detail}")
    given = {"pointer": pointer, "parameter": parameter, "header": header, "code": code}
    wanted = {name: value for name, value in given.items() if value is not None}
    if wanted:
        found = any(all(getattr(error, name) == value for name, value in wanted.items()) for error in problem.errors)
        _expect(found, f"no error with {wanted} among {[error.as_dict() for error in problem.errors]}")
    return problem


def _expect(holds: bool, otherwise: str) -> None:
    # Not an assert statement: pytest rewrites those only in test modules, and python -O removes them.
    if not holds:
        raise AssertionError(otherwise)
