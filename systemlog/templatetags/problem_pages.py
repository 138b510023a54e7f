"""A template filter for the pages that document the problem types."""

from __future__ import annotations

import re

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_CODE = re.compile(r"`([^`]*)`")


@register.filter
def code_spans(html: SafeString) -> SafeString:
    """Replace each `text` between backticks by a `<code>` element. The HTML must be escaped already."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", html))  # noqa: S308  (`linebreaks` has escaped the text)
