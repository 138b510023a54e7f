"""The fingerprint of a line of the journal, for the lander. It avoids decoding the context where possible.

In a storm of errors, one traceback repeats with different values in its last line. So the group is cached by two keys
that decide it: the text of the traceback above its last line, and the exception type in the last line.
"""

from __future__ import annotations

import re

from systemlog.fingerprints.records import GRAVE, Identity, identify
from systemlog.records.context_json import ContextDecoder
from systemlog.records.copy_text import CATEGORY, CONTEXT, LEVEL_OFFSET, unescape
from systemlog.records.row import COLUMNS

MESSAGE = COLUMNS.index("message")
INITIALS = frozenset(level[0].encode()[0] for level in GRAVE)
"""The first bytes of the levels whose records belong to a group."""

KEPT = 512
"""The maximal number of cached tracebacks, and of cached messages."""

MAX_KEPT_BYTES = 16_384
RECENT = 4
"""The number of latest tracebacks that are compared directly. In a storm, hashing them would be the largest cost."""

_EXCEPTION = b'"exception":"'
_HEADER = b"Traceback (most recent call last):"
_BREAK = b"\\\\n"
"""A line break in a JSON string in a line of the journal."""

_BACKSLASH = 0x5C
_type = re.compile(rb"[A-Za-z_][A-Za-z0-9_.]*(?=:|$)")
_heads: dict[bytes, dict[bytes, Identity]] = {}
"""Cached groups by the head of the traceback (all but its last line), then by the exception type in the last line."""

_recent: list[bytes] = []
_messages: dict[tuple[bytes, bytes], Identity] = {}


def is_grave(line: bytes) -> bool:
    """Whether the record of a line belongs to a group. Raises `IndexError` if the bytes are not a record's line."""
    return line[LEVEL_OFFSET] in INITIALS


def identity_of(fields: list[bytes]) -> Identity:
    """Return the group of a record of level ERROR or CRITICAL, whose line is split at its tabs.

    The title may come from another record of the group. Raises `ValueError` if the bytes are not the line of a record.
    """
    context = fields[CONTEXT]
    if context == b"{}":
        return _by_message(fields)
    start = context.find(_EXCEPTION)
    begin = start + len(_EXCEPTION)
    if (
        start < 0
        or len(context) > MAX_KEPT_BYTES
        or not context.startswith(_HEADER, begin)
        or b"{" in context[1:start]  # the key may belong to a nested object
        or context.find(_EXCEPTION, begin) >= 0
    ):
        return _read(fields)
    for head in _recent:
        if context.startswith(head, begin):
            last = begin + len(head)
            end = _end_of_text(context, last)
            if context.find(_BREAK, last, end) < 0:
                return _by_traceback(fields, head, last, end)
    end = _end_of_text(context, begin)
    last = context.rfind(_BREAK, begin, end) + len(_BREAK)
    head = context[begin:last]
    if head in _heads:  # a storm of a traceback that was seen before some others
        _promote(head)
    return _by_traceback(fields, head, last, end)


def forget() -> None:
    """Clear the caches, for a change of the rules."""
    _heads.clear()
    _recent.clear()
    _messages.clear()


def _read(fields: list[bytes]) -> Identity:
    category, message = (unescape(fields[column]).decode() for column in (CATEGORY, MESSAGE))
    context = ContextDecoder().decode(unescape(fields[CONTEXT]).decode())
    return identify(category, message, context if isinstance(context, dict) else {})


def _end_of_text(context: bytes, begin: int) -> int:
    """Return the index of the quote that ends a JSON string, or -1 if finding it needs a full decoding."""
    end = context.find(b'"', begin)
    while end > 0 and context[end - 1] == _BACKSLASH:
        if context.endswith(b"\\\\\\\\", begin, end):  # perhaps an escaped backslash before the end of the string
            return -1
        end = context.find(b'"', end + 1)
    return end


def _by_traceback(fields: list[bytes], head: bytes, last: int, end: int) -> Identity:
    """Return the group of a traceback. `last` and `end` delimit its last line in the context."""
    match = _type.match(fields[CONTEXT], last, end) if end > last and head.endswith(_BREAK) else None
    if match is None:
        return _read(fields)
    known = _heads.get(head)
    if known is None or (found := known.get(match[0])) is None:
        found = _read(fields)
        if found.by_traceback:
            _keep(head, match[0], found)
    return found


def _keep(head: bytes, kind: bytes, found: Identity) -> None:
    if sum(map(len, _heads.values())) >= KEPT:
        _heads.clear()
    _heads.setdefault(head, {})[kind] = found
    if head not in _recent:
        _promote(head)


def _promote(head: bytes) -> None:
    _recent.insert(0, head)
    del _recent[RECENT:]


def _by_message(fields: list[bytes]) -> Identity:
    key = fields[CATEGORY], fields[MESSAGE]
    found = _messages.get(key)
    if found is None:
        found = _read(fields)
        if len(_messages) >= KEPT:
            _messages.clear()
        _messages[key] = found
    return found
