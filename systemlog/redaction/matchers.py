"""The matchers: for each kind of hit, a function that decides whether it is a secret, and which bytes to redact.

Each function takes the text and the span of a hit. It returns the span of the secret, or None if there is none. It
reads the text after the hit once and forwards, and a bounded number of bytes before the hit, so that a whole text takes
linear time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from systemlog.redaction import addresses, commands, pairs
from systemlog.redaction.judging import is_uuid, looks_random
from systemlog.redaction.pairs import REDACTED, Span, has_alphanumerics

__all__ = ["MATCHERS", "REDACTED", "Span", "decoded"]

_PRIVATE_KEY_END = re.compile(rb"----[- ]END[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?[ -]----")
_PUTTY_LINES = re.compile(rb"[0-9]*(?:(?:\r?\n|\\+r\\+n|\\+n)[A-Za-z0-9+/]{1,200}=*)+")
_BACKSLASHES = re.compile(rb"\\+")
_BETWEEN = re.compile(rb"(?i:bearer|basic)(?:\\*[ \t]|\\+t|%20|\+)+")
_CARD = re.compile(
    rb"4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Visa, Mastercard
    rb"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # American Express, Diners, JCB
    rb"|6(?:011|4[4-9][0-9]|[57][0-9]{2})[0-9]{12}|62[0-9]{14,17}"  # Discover, Maestro, UnionPay
)
_APART = re.compile(rb"\\+u[0-9A-Fa-f]{4}|%20|[^0-9]")
_MARKED = re.compile(rb"[0-9]Q~|JQQJ9|\.atlasv1\.|T3BlbkFJ")
_TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~-"
MAX_BYTES_BEFORE_MARK = 80
_ALPHANUMERIC = re.compile(rb"[0-9A-Za-z]|\.[0-9]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_KEY_BLOCK = re.compile(rb"----[- ]BEGIN[ A-Z0-9]{0,40}PRIVATE KEY")


def private_key(data: bytes, start: int, end: int) -> Span | None:
    """Match the whole block, or the rest of the text if the block was cut off."""
    last = _PRIVATE_KEY_END.search(data, end)
    return start, last.end() if last else len(data)


def putty(data: bytes, start: int, end: int) -> Span | None:
    """Match the private lines of a PuTTY key."""
    lines = _PUTTY_LINES.match(data, end)
    return (end, lines.end()) if lines else None


def issued(data: bytes, start: int, end: int) -> Span | None:
    """Match a token with its issuer's mark, which is proof enough. Some tokens begin before the mark."""
    if _MARKED.match(data, start):
        before = data[max(start - MAX_BYTES_BEFORE_MARK, 0) : start]
        start -= len(before) - len(before.rstrip(_TOKEN_BYTES))
    return start, _up_to_escape(data, start, end)


def issued_word(data: bytes, start: int, end: int) -> Span | None:
    """Match a token that must begin a word. Without a digit or a capital letter it is a name, and not a token."""
    end = _up_to_escape(data, start, end)
    token = data[start:end]
    return None if token.islower() and not any(48 <= byte < 58 for byte in token) else (start, end)


def jwt(data: bytes, start: int, end: int) -> Span | None:
    """Match a JWT, which has at least two dots. Other base64 of `{"` is common, for example in page cursors."""
    return (start, end) if data.count(b".", start, end) >= 2 else None


def encoded(data: bytes, start: int, end: int) -> Span | None:
    """Match nothing: the redactor decodes the base64 and searches the result."""
    return None


def decoded(data: bytes, start: int) -> tuple[int, bytes]:
    """Return the end of the base64 that begins at `start`, and the decoded bytes; no bytes if it is invalid."""
    found = _BASE64.match(data, start)
    if found is None:
        return start, b""
    token = found[0].rstrip(b"=").translate(_URL_SAFE)
    token = token[: len(token) - (len(token) % 4 == 1)]  # a text that was cut off
    try:
        return found.end(), base64.b64decode(token + b"=" * (-len(token) % 4), validate=True)
    except binascii.Error:
        return found.end(), b""


def bearer(data: bytes, start: int, end: int) -> Span | None:
    """Match the credentials after `Bearer`, unless they are a word of a sentence ("bearer authentication")."""
    start = _behind_scheme(data, start, end)
    end = _up_to_escape(data, start, end)
    token = data[start:end].rstrip(b".")
    word = token.isalpha() and (token.islower() or token.isupper() or token.istitle()) and len(token) < 24
    return None if word or len(token) < 8 or not has_alphanumerics(token) else (start, end)


def scheme(data: bytes, start: int, end: int) -> Span | None:
    """Match the credentials after `Token`, the scheme of this platform's tokens, and after other schemes."""
    start = data.rindex(b" ", start, end) + 1
    token = data[start:end].rstrip(b".")
    return (start, start + len(token)) if looks_random(token) and not is_uuid(token) else None


def basic(data: bytes, start: int, end: int) -> Span | None:
    """Match the credentials after `Basic`: base64 of `name:password`."""
    start = _behind_scheme(data, start, end)
    end = _up_to_escape(data, start, end)
    token = re.sub(rb"\\+/", b"/", data[start:end]).rstrip(b"=").translate(_URL_SAFE)
    try:
        text = base64.b64decode(token + b"=" * (-len(token) % 4), validate=True)
    except binascii.Error:
        return None
    return (start, end) if b":" in text else None


def card(data: bytes, start: int, end: int) -> Span | None:
    """Match a number in a card issuer's range, with its length and a correct check digit (Luhn)."""
    digits = _APART.sub(b"", data[start:end])
    if len(digits) > 16 and data[start - 1 : start] in (b"_", b"-"):  # blk_-62...: a 64-bit number
        return None
    ended = not _ALPHANUMERIC.match(data, end)
    return (start, end) if ended and _CARD.fullmatch(digits) and _luhn(digits) else None


MATCHERS: dict[str, Callable[[bytes, int, int], Span | None]] = {
    function.__name__: function
    for function in (
        *(private_key, putty, issued, issued_word, jwt, encoded, bearer, scheme, basic, card),
        *(addresses.url, addresses.url_user, addresses.url_encoded, addresses.query, addresses.link),
        *(
            commands.command,
            commands.arguments,
            commands.jwk,
            commands.netrc,
            commands.sql,
            commands.insert,
            commands.parameters,
            commands.sentence,
        ),
        *(pairs.option, pairs.pair, pairs.near, pairs.weak),
    )
}
"""The matchers, by the name of the pattern's group."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _behind_scheme(data: bytes, start: int, end: int) -> int:
    found = _BETWEEN.match(data, start, end)
    return found.end() if found else start


def _up_to_escape(data: bytes, start: int, end: int) -> int:
    """Return the end of a token. JSON may write a slash in it as `\\/`; at any other escape the token has ended."""
    for run in _BACKSLASHES.finditer(data, start, end):
        if data[run.end() : run.end() + 1] != b"/":
            return run.start()
    return end


def _luhn(digits: bytes) -> bool:
    numbers = [digit - 48 for digit in digits]
    doubled = sum(sum(divmod(2 * number, 10)) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + doubled) % 10 == 0
