"""Problems as exceptions: raise one anywhere, in a view of any kind or in a middleware, and it is the answer.

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
    """An error that the client is told about. Subclasses are problem types, and registered by being defined.

    Class attributes: `status_code`, `slug` and `title` (both made from the class name if left out), `default_detail`.
    The docstring is the documentation at `/problems/<slug>`. Keyword arguments are extension members of the body.
    """

    slug: ClassVar[str]
    title: ClassVar[str | Promise]
    problem_type: ProblemType | None = None
    """Made of the class attributes; given to the constructor, it makes a problem of a type declared as an object."""
    is_recorded = False
    """Whether whoever raised it sees to the log record itself, so that its answer gets none."""

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
            raise TypeError(f"{', '.join(sorted(reserved))}: every problem has these members; name yours otherwise")
        if problem_type is not None:
            self.problem_type = problem_type
            self.status_code = problem_type.status_in_force
        # Not APIException's own: it would translate the default detail, which the answer may want in another language.
        Exception.__init__(self, *(() if detail is None else (detail,)))
        self.own_detail = "" if detail is None else str(detail)
        self.headers = dict(headers or {})
        self.members = members

    @property
    def detail(self) -> ErrorDetail:  # type: ignore[override]  # an attribute there
        """What is said of this occurrence, as DRF's exceptions have it."""
        known = self.problem_type
        return ErrorDetail(self.own_detail or str(known.detail if known else self.default_detail), self.default_code)


def _unwrapped(docstring: str) -> str:
    """The docstring without the line ends that only its width has put there: lists and code keep theirs."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(
        paragraph if re.search(r"^(?:[-*] |\s)", paragraph, re.MULTILINE) else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


class InvalidBody(SystemLogError, ValidationError):
    """A body whose errors are given with their places, where a dictionary could not tell a key from the whole."""

    def __init__(self, places: Sequence[Place], omitted: int = 0) -> None:
        super().__init__([place.detail for place in places])
        self.places = places
        self.omitted = omitted


class InvalidParameters(ProblemException):
    """One or more query parameters are not what the operation takes. Each entry of `errors` names one in `parameter`
    and says in `detail` what is wrong with it. Correct the parameters and send the request again.
    """

    slug = "invalid-parameters"
    title = "Invalid parameters"
    status_code = 400
    default_detail = _("Invalid input.")

    def __init__(
        self, parameters: Mapping[str, str | Sequence[str]], *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(headers=headers)
        self.errors = [
            FieldError(detail=str(detail), code=getattr(detail, "code", None) or "invalid", parameter=name)
            for name, details in parameters.items()
            for detail in ([details] if isinstance(details, str | Promise) else details)
        ] or [FieldError(detail=str(self.default_detail), code="invalid")]
