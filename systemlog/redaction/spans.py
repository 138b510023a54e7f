"""What exactly goes: for each kind of hit a function that judges it and says from where to where to redact.

Each takes the text and the hit's span, and gives the span of the secret, or None if the hit is none. Each reads
the text once, forwards, and what it read is not read again: the whole stays linear.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

Span = tuple[int, int]

REDACTED = b"[redacted]"

_PLAIN = frozenset(
    b"a an and any are cannot changed empty error expected expired false for from has in incorrect invalid is "
    b"malformed mismatch missing must nil no none not null of ok on or required set should the to too true undefined "
    b"unset was were with wrong yes %s %r %d".split()
)
"""What stands behind `token:` or `password=` in prose and code, and is no secret."""

_PRIVATE_KEY_END = re.compile(rb"-----END[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BACKSLASHES = re.compile(rb"\\+")
_OPENING = re.compile(rb"(?:[ \t]|\\t)*(?:[bBfFrRuU]?(\\*)(\"{3}|'{3}|[\"'])|([\[{(]))?")
_TOKEN = re.compile(rb"\\*[\"'\r\n]|[\[\](){}]")
_BACKSLASH = rb"\\++(?![nrt\"'])"
"""Backslashes within a plain value, which an escaped line break, tab or quote ends. Reading on and giving back would
read the same bytes again for the next hit, and a text of such hits would take the square of its length."""

_WORD = re.compile(rb"[^ \t\r\n\f\v,;&\"'<>)}\]]+")
_LINE = re.compile(rb"[^\r\n\"'\\]+")
_REST_OF_LINE = re.compile(rb"(?:[^\r\n\\]|" + _BACKSLASH + rb")++")
_WORD_BEHIND_SCHEME = re.compile(
    rb"(?:(?i:bearer|basic|token) +)?(?:[^ \t\r\n\f\v,;&\"'<>)}\]\\]|" + _BACKSLASH + rb")++"
)
_SCHEME_AND_WORD = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*+ +)?(?:[^ \t\r\n\f\v,;\"'<>)}\]\\]|" + _BACKSLASH + rb")++")
_PARAMETERS = re.compile(rb"(?i:digest|hawk|oauth|signature|aws4-[a-z0-9-]*) ")
_CALL = re.compile(rb"[a-z_][a-z_.]{2,}[(\[]")
_PORT = re.compile(rb"[0-9]+[?#]")
_CARD = re.compile(
    rb"4[0-9]{15}|5[1-5][0-9]{14}|2[2-7][0-9]{14}"  # Visa, Mastercard
    rb"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35[0-9]{14}"  # American Express, Diners, JCB
    rb"|6(?:011|4[4-9][0-9]|[57][0-9]{2})[0-9]{12}|62[0-9]{14,17}"  # Discover, Maestro, UnionPay
)
_MARKED = re.compile(rb"[0-9]Q~|JQQJ9|\.atlasv1\.|T3BlbkFJ")
_TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~-"
MOST_BEFORE_MARK = 80
_ALPHANUMERIC = re.compile(rb"[0-9A-Za-z]|\.[0-9]")


def private_key(data: bytes, start: int, end: int) -> Span | None:
    """The whole block; of one that was cut off, all that is left."""
    last = _PRIVATE_KEY_END.search(data, end)
    return start, last.end() if last else len(data)


def issued(data: bytes, start: int, end: int) -> Span | None:
    """A token with its issuer's mark is one without further proof; some have more of it before the mark."""
    if _MARKED.match(data, start):
        before = data[max(start - MOST_BEFORE_MARK, 0) : start]
        start -= len(before) - len(before.rstrip(_TOKEN_BYTES))
    return start, _up_to_escape(data, start, end)


def issued_word(data: bytes, start: int, end: int) -> Span | None:
    """The same of a token that must be a word."""
    return start, _up_to_escape(data, start, end)


def jwt(data: bytes, start: int, end: int) -> Span | None:
    """Base64 of `{"` is common (page cursors); with two dots or more behind it it is a signed or encrypted token."""
    return (start, end) if data.count(b".", start, end) >= 2 else None


def bearer(data: bytes, start: int, end: int) -> Span | None:
    """The credential behind `Bearer`, unless it is a word of a sentence ("bearer authentication")."""
    start = data.rindex(b" ", start, end) + 1
    end = _up_to_escape(data, start, end)
    token = data[start:end].rstrip(b".")
    word = token.isalpha() and (token.islower() or token.isupper() or token.istitle()) and len(token) < 24
    return None if word or len(token) < 8 or not _has_alphanumerics(token) else (start, end)


def basic(data: bytes, start: int, end: int) -> Span | None:
    """The credential behind `Basic`: base64 of `name:password`."""
    start = data.rindex(b" ", start, end) + 1
    end = _up_to_escape(data, start, end)
    token = re.sub(rb"\\+/", b"/", data[start:end]).rstrip(b"=").translate(_URL_SAFE)
    try:
        decoded = base64.b64decode(token + b"=" * (-len(token) % 4), validate=True)
    except binascii.Error:
        return None
    return (start, end) if b":" in decoded else None


def url(data: bytes, start: int, end: int) -> Span | None:
    """The password in `scheme://user:password@host`; the user's name stays."""
    start = data.index(b":", data.rindex(b"/", start, end)) + 1
    if _PORT.match(data, start, end):
        return None
    return start, end - 1


def card(data: bytes, start: int, end: int) -> Span | None:
    """A number of a card issuer's range and length whose check digit is right (Luhn)."""
    digits = data[start:end].replace(b" ", b"").replace(b"-", b"")
    if len(digits) > 16 and data[start - 1 : start] in (b"_", b"-"):  # blk_-62...: a 64-bit number
        return None
    ended = not _ALPHANUMERIC.match(data, end)
    return (start, end) if ended and _CARD.fullmatch(digits) and _luhn(digits) else None


def pair(data: bytes, start: int, end: int) -> Span | None:
    """The value behind a sensitive key and its `=` or `:`, quoted, bracketed or plain."""
    opening = _OPENING.match(data, end)
    if opening is None:  # it matches the empty text
        return None
    begin = opening.end()
    if opening[2]:
        return _filled(data, begin, _end_of_quoted(data, begin, opening[2][:1], len(opening[1])))
    if opening[3]:
        if data.startswith(REDACTED, begin - 1):
            return None
        last = _end_of_bracketed(data, begin)
        if more := _WORD.match(data, last):  # {scheme}hash
            last = more.end()
        return (begin - 1, last) if _has_alphanumerics(data[begin:last]) else None
    return _plain(data, start, end, begin)


SPANS: dict[str, Callable[[bytes, int, int], Span | None]] = {
    function.__name__: function for function in (private_key, issued, issued_word, jwt, bearer, basic, url, card, pair)
}
"""By the name of the pattern's group."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _plain(data: bytes, start: int, end: int, begin: int) -> Span | None:
    """The value at `begin` without quotes, behind the key at `start` and its sign, which ends at `end`."""
    if begin > end and data[end - 1] == ord("=") and _CALL.match(data, begin):
        return None  # a line of code in a traceback: `token = read_token(request)`
    if data.startswith((b"::", b"== ", b"=== "), end - 1):
        return None  # a Rust path, a comparison; judged before the value is read, which the next hit reads again
    key = data[start:end].lower()
    if b"cookie" in key:
        plain = _LINE.match(data, begin)
    elif b"authori" in key:
        plain = (_REST_OF_LINE if _PARAMETERS.match(data, begin) else _SCHEME_AND_WORD).match(data, begin)
    else:
        plain = _WORD_BEHIND_SCHEME.match(data, begin)
    if plain is None:
        return None
    word = data[begin : plain.end()].lower().rstrip(b".:!?")
    return None if word in _PLAIN or not word.strip(b"*") else (begin, plain.end())


def _filled(data: bytes, begin: int, last: int) -> Span | None:
    return None if begin == last or data[begin:last] == REDACTED else (begin, last)


def _end_of_quoted(data: bytes, begin: int, quote: bytes, depth: int) -> int:
    """Where the text ends that a quote behind `depth` backslashes opened: at its closing one, else with the line.

    A closing quote has `depth` backslashes too, behind any number of escaped backslashes (of 2 * (depth + 1) each).
    """
    for token in _TOKEN.finditer(data, begin):
        last = token.end() - 1
        backslashes = last - token.start()
        if data[last : last + 1] == quote:
            if backslashes % (2 * (depth + 1)) == depth:
                return last - depth
        elif data[last] in b"\r\n":
            return last
    return len(data)


def _end_of_bracketed(data: bytes, begin: int) -> int:
    """Behind the bracket that closes the one before `begin`, quoted brackets not counted; else the end of all."""
    depth = 1
    position = begin
    while token := _TOKEN.search(data, position):
        position = token.end()
        byte = data[position - 1]
        if byte in b"\"'":
            backslashes = position - 1 - token.start()
            position = min(
                _end_of_quoted(data, position, data[position - 1 : position], backslashes) + backslashes + 1,
                len(data),
            )
        elif byte in b"[({":
            depth += 1
        elif byte in b"])}":
            depth -= 1
            if depth == 0:
                return position
    return len(data)


def _up_to_escape(data: bytes, start: int, end: int) -> int:
    """The end of a token in which JSON may spell a slash as `\\/`; any other escape is behind it."""
    for run in _BACKSLASHES.finditer(data, start, end):
        if data[run.end() : run.end() + 1] != b"/":
            return run.start()
    return end


def _has_alphanumerics(data: bytes) -> bool:
    return re.search(rb"[0-9A-Za-z\x80-\xff]", data) is not None


def _luhn(digits: bytes) -> bool:
    numbers = [digit - 48 for digit in digits]
    doubled = sum(sum(divmod(2 * number, 10)) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + doubled) % 10 == 0
