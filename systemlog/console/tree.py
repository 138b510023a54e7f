"""The context of a record as a collapsible tree in HTML: `<details>` for objects and lists, a line for every value.

The number of lines is limited, because a context may have a million keys. The JSON beside the tree has everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from systemlog.search.parsing.query import CONTEXT_PREFIX
from systemlog.search.parsing.rules import MAX_CONTEXT_DOTS
from systemlog.templatetags.console_text import visible

MAX_LINES = 500
MAX_DEPTH = 20
OPEN_DEPTH = 2
OPEN_MEMBERS = 20
VALUE_CHARACTERS = 2000
FILTER_CHARACTERS = 200
"""A longer value has no links to search for it."""


def as_tree(context: Any, list_url: str) -> SafeString:
    """Return the members of a context as HTML. `list_url` is the URL of the list, for links to records with a value."""
    return _Tree(list_url).members(context, "", 0)


class _Tree:
    def __init__(self, list_url: str) -> None:
        self._list_url = list_url
        self._left = MAX_LINES

    def members(self, value: Any, path: str, depth: int) -> SafeString:
        return format_html(
            '<ul class="tree">{}</ul>', format_html_join("", "<li>{}</li>", self._lines(value, path, depth))
        )

    def _lines(self, value: Any, path: str, depth: int) -> Iterator[tuple[SafeString]]:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (key, member) in enumerate(pairs):
            if self._left <= 0:
                yield (format_html('<span class="sl-quiet">… {} more</span>', len(value) - number),)
                return
            self._left -= 1
            yield (self._member(str(key), member, f"{path}.{key}" if path else str(key), depth, value),)

    def _member(self, key: str, value: Any, path: str, depth: int, inside: Any) -> SafeString:
        name = format_html('<span class="key">{}</span>', visible(key[:FILTER_CHARACTERS]))
        if isinstance(value, dict | list) and value and depth < MAX_DEPTH:
            is_open = depth < OPEN_DEPTH and len(value) <= OPEN_MEMBERS
            size = f"{{{len(value)}}}" if isinstance(value, dict) else f"[{len(value)}]"
            return format_html(
                '<details{}><summary>{}<span class="size">{}</span></summary>{}</details>',
                SafeString(" open") if is_open else "",
                name,
                size,
                self.members(value, path, depth + 1),
            )
        text, kind = _as_text(value)
        if "\n" in text.strip():
            kind, text = "nothing string", f"a text of {text.count(chr(10)) + 1} lines, shown by itself"
        return format_html(
            '{} <span class="value {}">{}</span>{}',
            name,
            kind,
            visible(text if len(text) <= VALUE_CHARACTERS else text[:VALUE_CHARACTERS] + "…"),
            self._links(path, value, text) if isinstance(inside, dict) else "",
        )

    def _links(self, path: str, value: Any, text: str) -> SafeString | str:
        if not text or len(text) > FILTER_CHARACTERS or len(path) > FILTER_CHARACTERS:
            return ""
        if isinstance(value, dict | list) or path.count(".") > MAX_CONTEXT_DOTS or visible(text + path) != text + path:
            return ""
        name = f"{CONTEXT_PREFIX}{path}"
        shown = f"{name} {text}"
        only, without = (f"{self._list_url}?{urlencode({key: text})}" for key in (name, f"{name}!"))
        return format_html(
            ' <span class="signs"><a class="sign" href="{}" aria-label="Only {}" title="Only records with this">+</a>'
            '<a class="sign" href="{}" aria-label="Not {}" title="Only records without this">\N{MINUS SIGN}</a></span>',
            *(only, shown, without, shown),
        )


def _as_text(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return value, "string"
    try:
        return json.dumps(value, ensure_ascii=False), "nothing" if value is None else "number"
    except RecursionError:
        return "…", "nothing"
