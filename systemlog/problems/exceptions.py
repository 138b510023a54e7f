"""Exceptions that are answered with a problem, wherever they are raised: in a view of any kind or in a middleware.

class OutOfStock(ProblemException):
    \"\"\"The order asks for more than there is. `available` says how much that is.\"\"\"

    status_code = 409

raise OutOfStock("Only three are left.", available=3)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from systemlog.exceptions import SystemLogError
from systemlog.problems.pointers import Place
from systemlog.problems.problem import STANDARD_MEMBERS, FieldError
from systemlog.problems.registry import ProblemType


class ProblemException(SystemLogError, APIException):
    """An error whose type and detail the client may see. Defining a subclass registers a problem type.

    A subclass sets `status_code`, and may set `default_detail`, `slug` and `title`. The last two are made from the name
    of the class if they are missing. The docstring is the documentation at `/problems/<slug>`.

    The constructor takes the `detail` of this occurrence (default: `default_detail`), response `headers`, and
    `problem_type` for a type that was declared as a `ProblemType` object. Other keyword arguments become extension
    members of the body. Raises TypeError if one has the name of a standard member.
    """

    slug: ClassVar[str]
    title: ClassVar[str | Promise]
    problem_type: ProblemType | None = None
    """The problem type, made from the class attributes."""
    is_recorded = False
    """True if the code that raises the exception logs it, so that its response gets no record."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", cls.__name__).capitalize()
        cls.slug = own.get("slug", words.lower().replace(" ", "-"))
        cls.title = own.get("title", words)
        cls.default_code = own.get("default_code", cls.slug)
        if "default_detail" not in own:
            cls.default_detail = ""
        cls.problem_type = ProblemType(
            slug=cls.slug,
            title=cls.title,
            status=cls.status_code,
            detail=cast("str | Promise", cls.default_detail),
            documentation=_unwrapped(own.get("__doc__") or ""),
        )

    def __init__(
        self,
        detail: str | Promise | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        problem_type: ProblemType | None = None,
        **members: object,
    ) -> None:
        if members and (reserved := STANDARD_MEMBERS.intersection(members)):
            names = ", ".join(sorted(reserved))
            raise TypeError(f"{names}: every problem has these members. Give the extension member another name.")
        if problem_type is not None:
            self.problem_type = problem_type
            self.status_code = problem_type.status_in_force
        # APIException's constructor would translate the default detail now; the response may need another language.
        Exception.__init__(self, *(() if detail is None else (detail,)))
        self.own_detail = "" if detail is None else str(detail)
        self.headers = dict(headers or {})
        self.members = members

    @property
    def detail(self) -> ErrorDetail:  # type: ignore[override]  # an attribute there
        """The text about this occurrence, as REST framework's exceptions have it."""
        known = self.problem_type
        return ErrorDetail(self.own_detail or str(known.detail if known else self.default_detail), self.default_code)


def _unwrapped(docstring: str) -> str:
    """Return the docstring with each paragraph on one line. Lists and code keep their line breaks."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(
        paragraph if re.search(r"^(?:[-*] |\s)", paragraph, re.MULTILINE) else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


class InvalidBody(SystemLogError, ValidationError):
    """A ValidationError whose messages are given with their paths, which REST framework's dictionaries cannot express.

    `omitted` is the number of further messages that the caller left out.
    """

    def __init__(self, places: Sequence[Place], omitted: int = 0) -> None:
        super().__init__([place.detail for place in places])
        self.places = places
        self.omitted = omitted


class InvalidParameters(ProblemException):
    """One or more query parameters are invalid. Each entry of `errors` names one in `parameter` and says in `detail`
    what is wrong with it. Correct the parameters and send the request again.
    """

    slug = "invalid-parameters"
    title = "Invalid parameters"
    status_code = 400
    default_detail = _("Invalid input.")

    def __init__(
        self,
        parameters: Mapping[str, str | Sequence[str | FieldError]],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers=headers)
        self.errors = [
            detail
            if isinstance(detail, FieldError)
            else FieldError(detail=str(detail), code=getattr(detail, "code", None) or "invalid", parameter=name)
            for name, details in parameters.items()
            for detail in ([details] if isinstance(details, str | Promise) else details)
        ] or [FieldError(detail=str(self.default_detail), code="invalid")]
