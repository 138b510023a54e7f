"""Problem types, and the RFC 9457 problem body into which every error of the process is turned."""

from systemlog.problems.exceptions import InvalidBody, InvalidParameters, ProblemException
from systemlog.problems.handling.dispatch import exception_handler
from systemlog.problems.handling.middleware import ProblemMiddleware
from systemlog.problems.negotiation import ContentNegotiation
from systemlog.problems.pointers import Place, json_pointer
from systemlog.problems.problem import FieldError, NotAProblem, Problem
from systemlog.problems.registry import ProblemType, problem_types

__all__ = [
    "ContentNegotiation",
    "FieldError",
    "InvalidBody",
    "InvalidParameters",
    "NotAProblem",
    "Place",
    "Problem",
    "ProblemException",
    "ProblemMiddleware",
    "ProblemType",
    "exception_handler",
    "json_pointer",
    "problem_types",
]
