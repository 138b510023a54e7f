"""Matchers of secrets in URLs: users, passwords, codes and signatures in a query, and tokens of links sent by mail.

Each function takes the text and the span of a hit. It returns the span of the secret, or None if there is none.
"""

from __future__ import annotations

import re

from systemlog.redaction.judging import is_harmless, is_uuid, looks_random

Span = tuple[int, int]

_PORT = re.compile(rb"[0-9]+[?#]")
_PASSWORD = re.compile(rb"((?:[^ \t\r\n\"'<>&%/]|%(?!(?:25)*(?:40|2[Ff])))+)%(?:25)*40")
_PARAMETER = re.compile(rb"(?:[^&\s\"'<>#;\\%]|%(?!(?:25)*26)){1,1000}")
_GRANT = re.compile(rb"(?i:&(?:amp;)?(?:state|scope|grant_type|redirect_uri|session_state|client_id|iss)=)")
_GRANT_BEFORE = re.compile(
    rb"(?i:(?:callback|oauth|state|scope|grant_type|redirect_uri|session_state|client_id|iss)[^ ]*\Z)"
)
_SHOUTED = re.compile(rb"[A-Z0-9_-]+|[a-z0-9]+(?:[_-][a-z0-9]+)+|[a-z]+")
_LINK = re.compile(
    rb"(?:[A-Za-z_-]{1,30}\\*/){0,2}(?:[A-Za-z0-9_=-]{1,14}\\*/)?([A-Za-z0-9_~.=:-]{16,400})(?=\\*/|[\s\"'<>?#&),;]|\\|\Z)"
)
_SLUG = re.compile(
    rb"[A-Za-z]+(?:[-_.][A-Za-z]+)*(?:[-_.][0-9]+)*(?:\.[a-z]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*|.*\.(?:html?|php|js|css|png|jsx?|json)"
)


def url(data: bytes, start: int, end: int) -> Span | None:
    """Match the password in `scheme://user:password@host`, without the user's name."""
    start = data.index(b":", data.rindex(b"/", start, end)) + 1
    if _PORT.match(data, start, end) or is_harmless(data[start : end - 1][:500], b""):
        return None
    return start, end - 1


def url_user(data: bytes, start: int, end: int) -> Span | None:
    """Match a token in place of the user's name: `https://token@host`."""
    start = data.rindex(b"/", start, end) + 1
    return (start, end - 1) if looks_random(data[start : end - 1]) else None


def url_encoded(data: bytes, start: int, end: int) -> Span | None:
    """Match the password of a URL that is encoded within another URL."""
    found = _PASSWORD.match(data, end, end + 300)
    return found.span(1) if found else None


def query(data: bytes, start: int, end: int) -> Span | None:
    """Match the value of `code` or `sig` in a query string or form: an OAuth code or a signature, not an error code."""
    found = _PARAMETER.match(data, end)
    if found is None:
        return None
    value = found[0].partition(b"%26")[0]
    span = end, end + len(value)
    if data[start : start + 3] == b"sig":
        return span if len(value) >= 16 and _has_digit(value) else None
    in_query = (start > 0 and data[start - 1 : start] in b"?&;") or data[max(start - 3, 0) : start] == b"%26"
    granted = _GRANT.match(data, found.end()) or (
        in_query and _GRANT_BEFORE.search(data, max(start - 60, 0), start - 1)
    )
    if not granted and not in_query:
        return None
    if granted:
        return span if len(value) >= 8 and _has_digit(value) else None
    long = len(value) >= 16 and _has_digit(value) and not _SHOUTED.fullmatch(value)
    return span if long or (len(value) >= 20 and looks_random(value)) else None


def link(data: bytes, start: int, end: int) -> Span | None:
    """Match the token of a link that resets, activates or confirms an account."""
    found = _LINK.match(data, end)
    if found is None or not _has_digit(found[1]) or _SLUG.fullmatch(found[1]):
        return None
    if is_uuid(found[1]) and data[start : start + 7].lower() in (b"confirm", b"confirma"):
        return None
    return found.span(1)


def _has_digit(value: bytes) -> bool:
    return any(48 <= byte < 58 for byte in value)
