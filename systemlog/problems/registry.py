"""The registry of the process's problem types, by slug. The pages at `/problems/` show it."""

from __future__ import annotations

import dataclasses
import re

from django.utils.functional import Promise

from systemlog.conf import conf

ABOUT_BLANK = "about:blank"
VALIDATION_FAILED = "validation-failed"

_is_slug = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*").fullmatch

_types: dict[str, ProblemType] = {}
_slugs_taken_twice: set[str] = set()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """A problem type, which is registered when it is made.

    `title` is the same for every occurrence; `detail` is the default for an occurrence without a detail of its own.
    Raises ValueError if the slug has characters other than a-z, 0-9 and single hyphens, or the status is no error.
    """

    slug: str
    title: str | Promise
    status: int
    detail: str | Promise = ""
    documentation: str = ""

    def __post_init__(self) -> None:
        if not _is_slug(self.slug):
            raise ValueError(f"The slug {self.slug!r} becomes part of a URI: use a-z, 0-9 and single hyphens.")
        if not 400 <= self.status <= 599:
            raise ValueError(f"{self.slug}: {self.status} is no status of an error. Give the type one from 400 to 599.")
        before = _types.get(self.slug)
        if before is not None and before != self:
            _slugs_taken_twice.add(self.slug)
        _types[self.slug] = self

    def __hash__(self) -> int:
        return hash(self.slug)

    @property
    def uri(self) -> str:
        """The `type` member: PROBLEM_BASE_URL and the slug. It never depends on the request's Host header."""
        return conf().PROBLEM_BASE_URL + self.slug

    @property
    def status_in_force(self) -> int:
        """The status of a response: VALIDATION_STATUS for a failed validation, `status` for every other type."""
        return conf().VALIDATION_STATUS if self.slug == VALIDATION_FAILED else self.status


def problem_types() -> list[ProblemType]:
    """Return every registered type, sorted by status and slug."""
    return sorted(_types.values(), key=lambda known: (known.status, known.slug))


def find_type(slug: str) -> ProblemType | None:
    """Return the type with this slug; None if there is none."""
    return _types.get(slug)


def slugs_taken_twice() -> set[str]:
    """Return the slugs that two different types have. The later type hides the earlier; check E022 reports this."""
    return _slugs_taken_twice
