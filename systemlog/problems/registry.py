"""The problem types of the process, by slug: what `/problems/` lists and `type` URIs are made of."""

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
    """One way in which things go wrong; known to the registry from the moment it is made.

    `title` is the same for every occurrence, `detail` is said of an occurrence that has no detail of its own. Raises
    ValueError for a slug that is no part of a URI, and for a status that is no error's.
    """

    slug: str
    title: str | Promise
    status: int
    detail: str | Promise = ""
    documentation: str = ""

    def __post_init__(self) -> None:
        if not _is_slug(self.slug):
            raise ValueError(f"{self.slug!r} is no slug, which becomes part of a URI: use a-z, 0-9 and single hyphens.")
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
        """The `type` member: made from a setting, never from the request's Host."""
        return conf().PROBLEM_BASE_URL + self.slug

    @property
    def status_in_force(self) -> int:
        """The status as the settings have it: `VALIDATION_STATUS` decides that of a failed validation."""
        return conf().VALIDATION_STATUS if self.slug == VALIDATION_FAILED else self.status


def problem_types() -> list[ProblemType]:
    """Every type of the process, by status and slug."""
    return sorted(_types.values(), key=lambda known: (known.status, known.slug))


def find_type(slug: str) -> ProblemType | None:
    """The type of this slug, if there is one."""
    return _types.get(slug)


def slugs_taken_twice() -> set[str]:
    """Slugs under which two different types were made: the later one hides the earlier. A system check names them."""
    return _slugs_taken_twice
