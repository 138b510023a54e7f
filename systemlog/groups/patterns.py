"""Patterns: the templates of the messages of some records, with counts. Records of all levels have patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from systemlog.fingerprints.records import TEMPLATE, template_of
from systemlog.records.context_json import ContextDecoder


@dataclass(slots=True)
class Pattern:
    """The records with one template: their number, levels and categories, and the id and time of the newest one."""

    template: str
    newest: str
    last_seen: str
    first_seen: str
    count: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)


def find_patterns(records: Iterable[tuple[str, str, str, str, str, str]]) -> list[Pattern]:
    """Return the patterns of records, the most frequent first.

    `records` has id, timestamp, level, category, message and context of each record as texts, the newest record first.
    """
    found: dict[str, Pattern] = {}
    for record_id, timestamp, level, category, message, context in records:
        template = template_of(message, _context(context))
        pattern = found.get(template)
        if pattern is None:
            pattern = found[template] = Pattern(template, record_id, timestamp, timestamp)
        pattern.count += 1
        pattern.first_seen = timestamp
        pattern.levels[level] += 1
        pattern.categories[category] += 1
    return sorted(found.values(), key=lambda pattern: -pattern.count)


def _context(text: str) -> dict[str, Any]:
    """Return the decoded context, or an empty one if the context has no template."""
    if f'"{TEMPLATE}"' not in text:
        return {}
    context = ContextDecoder().decode(text)
    return context if isinstance(context, dict) else {}
