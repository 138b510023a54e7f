"""The fingerprint of a line of the journal, for the lander: without reading the whole context where that is possible.

A storm repeats one traceback with other values. So the group is kept by the text of the traceback above its last line,
and by the type in that line, which together decide it.
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
"""Tracebacks whose groups are kept, and as many messages."""

MAX_KEPT_BYTES = 16_384
RECENT = 4
"""The last tracebacks are compared without computing their hash, which takes longer than all else in a storm."""

_EXCEPTION = b'"exception":"'
_HEADER = b"Traceback (most recent call last):"
_BREAK = b"\\\\n"
"""A line break in a JSON string in a line of the journal."""

_BACKSLASH = 0x5C
_type = re.compile(rb"[A-Za-z_][A-Za-z0-9_.]*(?=:|$)")
_heads: dict[bytes, dict[bytes, Identity]] = {}
"""The groups by the beginning of a traceback, up to the break before its last line, and by the type in that line."""

_recent: list[bytes] = []
_messages: dict[tuple[bytes, bytes], Identity] = {}


def is_grave(line: bytes) -> bool:
    """Whether the record of a line belongs to a group. Raises `IndexError` for bytes that are no line of a record."""
    return line[LEVEL_OFFSET] in INITIALS


def identity_of(fields: list[bytes]) -> Identity:
    """Return the group of a record of level ERROR or CRITICAL, whose line is split at its tabs.

    The title may be that of another record of the group. Raises `ValueError` for bytes that are no line of a record.
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
        or b"{" in context[1:start]  # the key may be one of an object in the context
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
    return _by_traceback(fields, context[begin:last], last, end)


def forget() -> None:
    """Forget what is kept, as when the rules change."""
    _heads.clear()
    _recent.clear()
    _messages.clear()


def _read(fields: list[bytes]) -> Identity:
    category, message = (unescape(fields[column]).decode() for column in (CATEGORY, MESSAGE))
    context = ContextDecoder().decode(unescape(fields[CONTEXT]).decode())
    return identify(category, message, context if isinstance(context, dict) else {})


def _end_of_text(context: bytes, begin: int) -> int:
    """Return the place of the quote that ends a JSON string; -1 where that is not seen at once."""
    end = context.find(b'"', begin)
    while end > 0 and context[end - 1] == _BACKSLASH:
        if context.endswith(b"\\\\\\\\", begin, end):  # an escaped backslash, and the end of the string, perhaps
            return -1
        end = context.find(b'"', end + 1)
    return end


def _by_traceback(fields: list[bytes], head: bytes, last: int, end: int) -> Identity:
    """Return the group of a traceback whose last line is between these places of the context."""
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
