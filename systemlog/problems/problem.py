"""The problem body of RFC 9457 as a value, which the server writes and clients read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

from systemlog.exceptions import SystemLogError

MEDIA_TYPE = "application/problem+json"
STANDARD_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "correlation_id", "errors"})
PLACES = ("pointer", "parameter", "header")


class NotAProblem(SystemLogError, ValueError):
    """The response is not a problem: it has another media type, or its body is not a JSON object."""


class AnyResponse(Protocol):
    """The attributes that the responses of Django's test client, httpx and requests have in common."""

    @property
    def headers(self) -> Any:
        """The headers, by name."""

    @property
    def content(self) -> bytes:
        """The body."""


class FieldError(NamedTuple):
    """One error of the input, and its place: a JSON Pointer into the body, a query parameter or a header.

    `code` is for programs and never translated, `detail` is for people.
    """

    detail: str
    code: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    column: int | None = None
    """Where the error is in the value of the query parameter: the first character, counted from 1."""
    length: int | None = None
    """How many characters from there on are wrong."""

    def as_dict(self) -> dict[str, str | int]:
        """Return the entry for `errors`, without the places that are None."""
        entry: dict[str, str | int] = {"detail": self.detail, "code": self.code}
        if self.pointer is not None:
            entry["pointer"] = self.pointer
        if self.parameter is not None:
            entry["parameter"] = self.parameter
        if self.header is not None:
            entry["header"] = self.header
        if self.column is not None and self.length is not None:
            entry["column"], entry["length"] = self.column, self.length
        return entry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem body. `extensions` are the members that RFC 9457 leaves to the problem type."""

    type: str = "about:blank"
    title: str | None = None
    status: int | None = None
    detail: str | None = None
    instance: str | None = None
    correlation_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    extensions: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the JSON object, without the members that are None."""
        body: dict[str, object] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
            "correlation_id": self.correlation_id,
        }
        if None in body.values():
            body = {name: value for name, value in body.items() if value is not None}
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        body.update(self.extensions)
        return body

    @classmethod
    def from_response(cls, response: AnyResponse) -> Self:
        """Read the problem from a response of httpx, requests or Django's test client. Raises `NotAProblem`."""
        media_type = str(response.headers.get("Content-Type", "")).split(";")[0].strip().lower()
        if media_type != MEDIA_TYPE:
            raise NotAProblem(f"The media type is {media_type or 'missing'}, not {MEDIA_TYPE}.")
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise NotAProblem("The body is not JSON.") from error
        if not isinstance(body, dict):
            raise NotAProblem("The body is not a JSON object.")
        return cls.from_dict(body)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """Read the problem from a JSON object. Ignores members of a wrong type, as RFC 9457, section 3.1, demands."""
        texts = {
            name: body[name]
            for name in ("type", "title", "detail", "instance", "correlation_id")
            if isinstance(body.get(name), str)
        }
        status = body.get("status")
        entries = body.get("errors")
        return cls(
            **texts,
            status=status if isinstance(status, int) and not isinstance(status, bool) else None,
            errors=tuple(map(_read_error, filter(_is_error, entries))) if isinstance(entries, list) else (),
            extensions={name: value for name, value in body.items() if name not in STANDARD_MEMBERS},
        )


def _is_error(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("detail"), str)


def _read_error(entry: Mapping[str, Any]) -> FieldError:
    places = {name: entry[name] for name in PLACES if isinstance(entry.get(name), str)}
    spans = {name: entry[name] for name in ("column", "length") if type(entry.get(name)) is int}
    return FieldError(detail=entry["detail"], code=str(entry.get("code", "")), **places, **spans)
