"""Matchers of the value of a sensitive key: after a sign, or in a form, a table, a list or an XML document.

Each function takes the text and the span of a hit. It returns the span of the secret, or None if there is none.
"""

from __future__ import annotations

import re

from systemlog.redaction.judging import (
    is_call,
    is_code,
    is_complaint,
    is_harmless,
    is_prose,
    is_weakly_secret,
    looks_secret,
)
from systemlog.redaction.keys import QUOTE
from systemlog.redaction.quoted import end_of_bracketed, end_of_escaped, end_of_quoted

Span = tuple[int, int]

REDACTED = b"[redacted]"

MAX_BYTES_BEFORE = 120
"""The number of bytes before a key that are read to find out its context."""

_Q = QUOTE.encode()
_NEWLINE = rb"(?:\r?\n|\\+r\\+n|\\+n)"
_BLANK = rb"(?:[ \t]|\\+t|%(?:25)*20|\+(?=%))*+"
_OPENING = re.compile(
    _BLANK + rb"(?:[bBeEfFnNrRuU]?(\\*)(\"{3}|'{3}|[\"'`])"
    rb"|(&(?:amp;)?(?:quot|apos|#34|#39|#x22|#x27);|%(?:25)*2[27])|([\[{(]))?"
)
_WORD = re.compile(rb"[^ \t\r\n\f\v,;&\"'<>)}\]]+")
_LINE = re.compile(rb"[^\r\n\"'\\]+")
_BACKSLASH = rb"\\++(?![nrt\"'])"
"""Matches backslashes in a plain value, which ends at an escaped line break, tab or quote. A pattern that backtracked
would read the same bytes again for the next hit, and a text of such hits would take quadratic time."""

_REST_OF_LINE = re.compile(rb"(?:[^\r\n\\]|" + _BACKSLASH + rb")++")
_PLAIN_BYTE = rb"[^ \t\r\n\f\v,;&\"'<>)}\]\\]"
_TAIL = (
    rb"[,;&]++(?=" + _PLAIN_BYTE + rb")"
    rb"(?!(?:amp;)?[A-Za-z_][\w.\[\]-]{0,40}(?:[=:]|%3D)|(?:amp;)?(?:quot|apos|lt|gt|#)|(?<=;)[A-Za-z][\w .-]{0,30}=)"
    rb"|'(?=[0-9A-Za-z])"
)
"""Matches a sign at which values often end, if the value continues: no blank, quote or further key follows."""

_VALUE = rb"(?:" + _PLAIN_BYTE + rb"|" + _BACKSLASH + rb"|" + _TAIL + rb")++"
_WORD_BEHIND_SCHEME = re.compile(rb"(?:(?i:bearer|basic|token) +)?" + _VALUE)
_SCHEME_AND_WORD = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]*+[ \t]+)?(?:[^ \t\r\n\f\v,;\"'<>)}\]\\]|" + _BACKSLASH + rb")++"
)
_PARAMETERS = re.compile(rb"(?i:digest|hawk|oauth|signature|aws4-[a-z0-9-]*) ")
_SHORT_VALUE = re.compile(
    rb"(?:\\[nt]|[ \t])*" + _Q + rb"?([^\s\"'`,;&<>(){}\[\]\\]{4,400})(?![^\s\"'`,;&<>(){}\[\]\\])"
)
_IN_URL = re.compile(
    rb"(?:\+|%(?:25)*20)*+((?:[^ \t\r\n\"'<>&%\\]|%(?!(?:25)*(?:2[02267Cc]|3[BbEe]|7[Dd]|5[Dd]|0[AaDd])))++)"
)
"""Matches a value in a URL, which escapes the characters that would end it."""

_NEXT_LINE = re.compile(
    _BLANK + rb"(?:[|>][+-]?)?" + _NEWLINE + rb"[ \t]*(?:- )?([^\s\"'\\:=,<>]{4,200}={0,2})(?=[\s\\\"']|\Z)(?!:)"
)

_TAG = re.compile(_BLANK + rb"(!!?[A-Za-z][A-Za-z0-9_.:/-]{0,40})[ \t]+(?=[^ \t\r\n\\])")
"""Matches the tag of a YAML value: `!vault`, `!!str`."""

_REFERENCES = frozenset(
    (b"!Ref", b"!GetAtt", b"!ImportValue", b"!Sub", b"!FindInMap", b"!secret", b"!env_var", b"!include", b"!reference")
)
"""Tags of CloudFormation, Home Assistant and GitLab CI, whose values name a secret."""

_NAME = rb"(?i:name|key|field|header|param(?:eter)?|variable|var|env|id|k|option|setting|property)"
_HOLDER = rb"(?i:[a-z]{0,20}(?:value|input)|val|v|content|contents|data|default|text|current|secret|string)"
_THEN_VALUE = re.compile(
    _Q
    + rb"[ \t]*,[ \t\r\n]*(?:" + _Q + rb"(?:type|secure|secret|sensitive|masked)" + _Q
    + rb"[ ]*:[^,{}]{0,20},[ \t\r\n]*)?"
    + _Q + _HOLDER + _Q + rb"[ \t]*[:=]"
)  # fmt: skip
_VALUE_BEFORE = re.compile(
    _Q + _HOLDER + _Q + rb"[ \t]*:[ \t]*" + _Q + rb"([^\"'\\&%]+)"
    + _Q + rb"[ \t]*,[ \t]*" + _Q + _NAME + _Q + rb"[ \t]*:[ \t]*"
    + _Q + rb"[^\"'<>=,\r\n]*\Z"
)  # fmt: skip
_NAME_BYTES = bytes(byte for byte in range(256) if bytes([byte]).isalnum() or byte in b"_.: -" or byte > 127)
_TAGS = (b"<", b"&lt;", b"u003c", b"u003C")
_NAMING_TAGS = (b"<key>", b"<name>", b"<string>", b"<param>")
_NAME_OF_PART = re.compile(rb"(?i:name)=\\*[\"']\Z")
_OPENED = re.compile(rb"[\[(][ \t]*[bu]?" + _Q + rb"\Z")
_LAST = re.compile(_Q + rb"[ \t]*\}")
_SECOND = re.compile(_Q + rb"[ \t]*,[ \t\r\n]*[bu]?(" + _Q + rb")")
_LIST_ENDS = re.compile(_Q + rb"?[ \t]*,?[ \t]*[\])]")
_PART = re.compile(
    rb"\\*[\"'](?:;[^\r\n\\]{0,80})?(?:" + _NEWLINE + rb"(?i:content)-[^\r\n\\]{1,80}){0,3}" + _NEWLINE * 2
    + rb"([^\r\n\\]+)"
)  # fmt: skip
_ELEMENT = re.compile(
    rb"(?:[ \t]+[^<>\r\n]{1,200})?(>|&gt;|\\+u003[Ee])(?:<!\[CDATA\[)?((?:[^<>&\r\n\\\]]|&(?!lt;)|\\(?!u003))+)"
)
_VALUE_OF_NAME = re.compile(_Q + rb"?" + _NEWLINE + rb"[ \t]*(?:- )?(?i:value):(?=[ \t])")
_CONTENT = re.compile(_Q + rb"(?:[ \t][^<>\r\n]{1,80})?>([^<>\r\n]{4,400})</")
_ATTRIBUTE = re.compile(
    _Q + rb"(?:[ \t]+(?!value)[A-Za-z:_-]{1,30}=" + _Q + rb"[^\"'<>]{0,80}" + _Q + rb"){0,3}[ \t]+(?i:value)[ ]?=[ ]?"
)
_NEXT_TAG = re.compile(rb"</\w{1,20}>\s{0,20}<(?:\w{1,20})>([^<>]+)<")
_COLUMNS = re.compile(rb"(?:::[a-z]+)?\)?(?:, *\"?[A-Za-z_]+\"?){0,3}\)=\(")
_CELL = re.compile(rb"[ \t]*\|[ \t]*([^|\r\n \t]+)[ \t]*(?:\||[\r\n]|\Z)")
_TABBED = re.compile(rb"(?:\t|\\+t)[ \t]*([^\t\r\n\\ ]+)")


def pair(data: bytes, start: int, end: int) -> Span | None:
    """Match the value after a sensitive key and its `=` or `:`, quoted, bracketed or plain."""
    return value_at(data, start, end, end)


def weak(data: bytes, start: int, end: int) -> Span | None:
    """Match the value after a key that has other meanings too, if it looks like a secret. Reads a bounded part."""
    found = _SHORT_VALUE.match(data, end)
    return found.span(1) if found and is_weakly_secret(data[start:end], found[1]) else None


def option(data: bytes, start: int, end: int) -> Span | None:
    """Match the value after `--password`."""
    if data.startswith(b"-", end):
        return None
    span = value_at(data, start, end, end)
    value = data[slice(*span)] if span else b""
    return None if not span or is_prose(value, data[start:end].rstrip(), b"") else span


def near(data: bytes, start: int, end: int) -> Span | None:  # noqa: PLR0911  (one for each shape)
    """Match the value of a key without a sign, in a table, a list, a form or an XML document."""
    following = data[end : end + 1]
    if tabbed := _TABBED.match(data, end):
        return tabbed.span(1) if looks_secret(tabbed[1]) else None
    if following in b" |" and (cell := _CELL.match(data, end)):
        return cell.span(1) if looks_secret(cell[1]) else None
    if following == b"<":
        found = _NEXT_TAG.match(data, end)
        return found.span(1) if found and _before(data, start).endswith(_NAMING_TAGS) else None
    if following in b":), " and (columns := _COLUMNS.match(data, end)):
        return _filled(data, columns.end(), end_of_bracketed(data, columns.end()) - 1)
    if following == b"(":
        return value_at(data, start, end, end + 1) if b"pass" in data[start:end].lower() else None
    if line := _VALUE_OF_NAME.match(data, end):
        return value_at(data, start, end, line.end())
    if _before(data, start).endswith(_TAGS):
        element = _ELEMENT.match(data, end)
        return _secret(data, *element.span(2), data[start:end]) if element else None
    return _quoted_name(data, start, end)


def value_at(data: bytes, start: int, end: int, position: int) -> Span | None:
    """Match the value at `position`. Its key begins at `start`, and the sign after the key, if any, ends at `end`."""
    tag = _TAG.match(data, position) if data[end - 1 : end] == b":" else None
    if tag is None:
        return _untagged(data, start, end, position)
    if tag[1] in _REFERENCES:
        return None
    # The tag goes too, because it may be the beginning of a password.
    tagged = _untagged(data, start, end, tag.end())
    return (tag.start(1), tagged[1]) if tagged else _untagged(data, start, end, position)


def _untagged(data: bytes, start: int, end: int, position: int) -> Span | None:
    opening = _OPENING.match(data, position)
    if opening is None:  # not possible, because the pattern matches the empty text
        return None
    begin = opening.end()
    key = data[max(start - 24, 0) : end]
    if opening[2]:
        return _secret(data, begin, end_of_quoted(data, begin, opening[2][:1], len(opening[1])), key)
    if opening[3]:
        return _secret(data, begin, end_of_escaped(data, begin, opening[3]), key)
    if opening[4]:
        return _bracketed(data, begin, key)
    return _plain(data, start, end, begin)


def _secret(data: bytes, begin: int, last: int, key: bytes) -> Span | None:
    if begin == last or data[begin:last] == REDACTED:
        return None
    if last - begin < 400 and (is_harmless(data[begin:last], key) or is_complaint(data[begin:last], key)):
        return None
    return begin, last


def _filled(data: bytes, begin: int, last: int) -> Span | None:
    return None if begin >= last or data[begin:last] == REDACTED else (begin, last)


def _bracketed(data: bytes, begin: int, key: bytes) -> Span | None:
    if data.startswith(REDACTED, begin - 1):
        return None
    last = end_of_bracketed(data, begin)
    if more := _WORD.match(data, last):  # {scheme}hash
        last = more.end()
    elif last - begin < 400:
        inner = data[begin : last - 1]
        if is_call(inner, key) or is_harmless(inner.strip(b"\"'\\ "), key) or is_harmless(data[begin - 1 : last], key):
            return None
    return (begin - 1, last) if has_alphanumerics(data[begin:last]) else None


def _plain(data: bytes, start: int, end: int, begin: int) -> Span | None:  # noqa: PLR0911  (one for each form)
    """Match the unquoted value at `begin`. Its key begins at `start`, and the sign ends at `end`."""
    if data[end : end + 1] == b":" and (columns := _COLUMNS.match(data, end - 1)):
        return _filled(data, columns.end(), end_of_bracketed(data, columns.end()) - 1)
    if data.startswith(b":: ", end - 1) and (word := _SHORT_VALUE.match(data, end + 1)):
        return word.span(1) if looks_secret(word[1]) else None
    if data.startswith((b"::", b"== ", b"=== "), end - 1):
        return None  # a Rust path or a comparison: decided before the value is read, which the next hit reads again
    key = data[start:end].lower()
    if key.endswith((b"3d", b"3a")) and b"%" in key[-8:]:
        found = _IN_URL.match(data, begin)
        return _secret(data, *found.span(1), key) if found else None
    if (line := _NEXT_LINE.match(data, end)) is not None:
        return line.span(1) if looks_secret(line[1]) else None
    if key[-1:] == b"=" and begin > end and is_code(data[begin : begin + 80]):
        return None  # a line of code in a traceback: `token = read_token(request)`
    if b"cookie" in key:
        plain = _LINE.match(data, begin)
    elif b"authori" in key:
        plain = (_REST_OF_LINE if _PARAMETERS.match(data, begin) else _SCHEME_AND_WORD).match(data, begin)
    else:
        plain = _WORD_BEHIND_SCHEME.match(data, begin)
    if plain is None:
        return None
    last = plain.end()
    if last - begin < 400 and _is_no_value(data, start, end, begin, last):
        return None
    return begin, last


def _is_no_value(data: bytes, start: int, end: int, begin: int, last: int) -> bool:
    value = data[begin:last]
    key = data[max(start - 24, 0) : end]
    credential = value.partition(b" ")[2] if b"uthori" in key else b""
    if is_harmless(value, key, plain=True) or (credential and is_harmless(credential, key, plain=True)):
        return True
    if key.endswith((b"->", b"\xe2\x86\x92")):
        return not looks_secret(value)
    return key[-1:] == b":" and begin > end and is_prose(value, key, data[last : last + 40])


def _quoted_name(data: bytes, start: int, end: int) -> Span | None:  # noqa: PLR0911  (one for each shape)
    """Match the value of a key that is itself a string: a name in a dictionary, list, form, tag or command line."""
    if value := _THEN_VALUE.match(data, end):
        return value_at(data, start, end, value.end())
    if content := _CONTENT.match(data, end):
        return content.span(1) if looks_secret(content[1]) else None
    if part := _PART.match(data, end):
        named = _NAME_OF_PART.search(_before(data, start)[-16:])
        return _secret(data, *part.span(1), data[start:end]) if named else None
    if attribute := _ATTRIBUTE.match(data, end):
        return value_at(data, start, end, attribute.end())
    if second := _SECOND.match(data, end):
        return _second(data, start, end, second.start(1))
    if _LAST.match(data, end) and (earlier := _VALUE_BEFORE.search(data, max(start - MAX_BYTES_BEFORE, 0), end)):
        return _secret(data, *earlier.span(1), data[start:end])
    return None


def _second(data: bytes, start: int, end: int, position: int) -> Span | None:
    before = _before(data, start)
    in_list = _OPENED.search(before[-16:])
    name = data[max(start - MAX_BYTES_BEFORE, 0) + len(before) : start]
    if not in_list and not name.lstrip().startswith(b"--"):
        return None
    span = value_at(data, start, end, position)
    value = data[slice(*span)] if span else b""
    if span is None or value.startswith(b"-"):
        return None
    if not in_list:
        return span
    return span if _LIST_ENDS.match(data, span[1]) and is_second(data[start:end], value) else None


def _before(data: bytes, start: int) -> bytes:
    """Return the text before the name that ends in the key at `start`, at most `MAX_BYTES_BEFORE` bytes."""
    return data[max(start - MAX_BYTES_BEFORE, 0) : start + 1].rstrip(_NAME_BYTES)


def is_second(key: bytes, value: bytes) -> bool:
    """Return whether `value`, after `key` in a list of two, is its value and not another name."""
    return looks_secret(value) or (b" " in value.strip() and re.search(rb"(?i:authori|cookie)", key) is not None)


def has_alphanumerics(data: bytes) -> bool:
    """Return whether the data has a letter or digit."""
    return re.search(rb"[0-9A-Za-z\x80-\xff]", data) is not None
