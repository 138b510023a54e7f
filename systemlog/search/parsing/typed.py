"""The text that people type into the search box, read into filters: `level:error -user_id:7 "charge failed" since:-1h`.

    word "a phrase"                  in the message, in any case
    field:value field:"a b"          one value of a field; the same field again: either value
    context.order.id:7               a member of the context
    -word -"a phrase" -field:value   excludes
    min_level:error since:-1h until:2026-11-24T08:30:00Z

There are no brackets and no "or". Inside quotes, a backslash makes the quote or backslash after it an ordinary
character. A colon after something that cannot be the name of a field (`12:30`) is an ordinary character too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from systemlog.records.levels import parse_level
from systemlog.search.parsing import rules
from systemlog.search.parsing.query import CONTEXT_PREFIX, MESSAGE, Constraint
from systemlog.search.parsing.rules import PARAMETERS, TEXTS

TIMES = ("since", "until")
SINGLE = ("min_level", *TIMES)
"""The fields that are given once, and exclude nothing."""

FIELDS = (*(name for name in PARAMETERS if name not in TEXTS), *TIMES, f"{CONTEXT_PREFIX}<key>")
ALIASES = {"user": "user_id"}
LEVELS = [name for name, parameter in PARAMETERS.items() if parameter.takes_level]

NO_SUCH_FIELD = f"There is no such field. The fields are {', '.join(FIELDS)}. Quote a text that has a colon."
NO_END = "This quote has no end."
NOT_EXCLUDING = "Records cannot be excluded by this."
TOO_LONG = f"This may have at most {rules.MAX_TYPED_CHARACTERS} characters."

_spaces = re.compile(r"\s*")
_name = re.compile(r"(context\.[^\s:\"]*|[^\W\d][\w.-]*):", re.IGNORECASE)
_phrase = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_word = re.compile(r"\S+")
_escaped = re.compile(r'\\(["\\])')


class Mistake(NamedTuple):
    """What is wrong with the text, and where: `column` counts characters from 1, `length` is at least 1."""

    detail: str
    column: int
    length: int


class Item(NamedTuple):
    """One filter of the text: its field (`MESSAGE` for words and phrases), its value, and where these are."""

    field: str
    value: str
    excludes: bool
    start: int
    """The place of the item, after its minus sign."""
    value_start: int
    end: int


@dataclass(slots=True)
class Typed:
    """The filters of a text, by the fields that have them, in their order; or the mistakes that it has."""

    any_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    none_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    def constraints(self) -> Iterator[Constraint]:
        """Yield the constraints that a record must meet, except terms in the message."""
        return (Constraint(*each) for each in self.any_of.items() if each[0] not in (MESSAGE, "min_level"))

    def exclusions(self) -> Iterator[Constraint]:
        """Yield the constraints that exclude records."""
        return (Constraint(*each) for each in self.none_of.items())


def read_typed(text: str, now: datetime, *, ordered_times: bool = True) -> Typed:
    """Return the filters of a text; relative times are relative to `now`.

    With `ordered_times`, `since` after `until` is a mistake.
    """
    typed = Typed()
    if len(text) > rules.MAX_TYPED_CHARACTERS:
        most = rules.MAX_TYPED_CHARACTERS
        typed.mistakes.append(Mistake(TOO_LONG, most + 1, len(text) - most))
        return typed
    times: dict[str, Item] = {}
    for item in _items(text):
        if isinstance(item, Mistake):
            typed.mistakes.append(item)
        elif error := _error_of(item, typed, times):
            typed.mistakes.append(error)
        elif item.field in TIMES:
            times[item.field] = item
            instant = rules.read_time(item.value, now)
            if instant is None:
                typed.mistakes.append(_at_value(item, rules.NOT_A_TIME))
            setattr(typed, item.field, instant)
        else:
            value = (parse_level(item.value) or "") if item.field in LEVELS else item.value
            values = typed.none_of if item.excludes else typed.any_of
            values[item.field] = (*values.get(item.field, ()), value)
    if ordered_times and typed.since and typed.until and typed.since > typed.until:
        typed.mistakes.append(_at_value(times["since"], rules.AFTER_UNTIL))
    return typed


def _items(text: str) -> Iterator[Item | Mistake]:
    """Yield the parts of a text."""
    place = _after_spaces(text, 0)
    while place < len(text):
        excludes = text[place] == "-" and text[place + 1 : place + 2].strip() != ""
        start = place + excludes
        named = _name.match(text, start)
        name, value_start = (named[1], named.end()) if named else (MESSAGE, start)
        read = _value(text, value_start)
        if isinstance(read, Mistake):
            yield read
            return
        value, end = read
        known = _known(name) if named else MESSAGE
        if known is None:
            yield Mistake(NO_SUCH_FIELD, start + 1, len(name))
        else:
            yield Item(known, value, excludes, start, value_start, end)
        place = _after_spaces(text, end)


def _value(text: str, start: int) -> tuple[str, int] | Mistake:
    """Return the value at a place, and where it ends."""
    if text[start : start + 1] == '"':
        if (quoted := _phrase.match(text, start)) is None:
            return Mistake(NO_END, start + 1, len(text) - start)
        return _escaped.sub(r"\1", quoted[1]), quoted.end()
    word = _word.match(text, start)
    return (word[0], word.end()) if word else ("", start)


def _known(name: str) -> str | None:
    """Return the field of a name in any case; None if there is none."""
    lowered = name.lower()
    if lowered.startswith(CONTEXT_PREFIX):
        return CONTEXT_PREFIX + name[len(CONTEXT_PREFIX) :]
    lowered = ALIASES.get(lowered, lowered)
    return lowered if lowered in FIELDS else None


def _error_of(item: Item, typed: Typed, times: dict[str, Item]) -> Mistake | None:
    """Return the mistake of an item; None if it has none."""
    name, value = item.field, item.value
    wrong = None
    if item.excludes and name != MESSAGE and not rules.excludes(name):
        wrong = NOT_EXCLUDING
    elif name in SINGLE and (name in times or name in typed.any_of):
        wrong = rules.ONCE
    elif name.startswith(CONTEXT_PREFIX):
        wrong = rules.path_error(name)
    if wrong:
        return _at_item(item, wrong)
    if wrong := rules.value_error(name, value) if value else rules.EMPTY:
        return _at_value(item, wrong)
    wrong = _excess(item, typed)
    return _at_item(item, wrong) if wrong else None


def _excess(item: Item, typed: Typed) -> str | None:
    """Return which limit an item exceeds; None if it exceeds none."""

    def count(prefix: str) -> int:
        given = (*typed.any_of.items(), *typed.none_of.items())
        return sum(len(values) for name, values in given if name.startswith(prefix))

    if item.field == MESSAGE:
        exceeds = count(MESSAGE) >= rules.MAX_TERMS or len(item.value) > rules.MAX_TERM_CHARACTERS
        return rules.TOO_MANY_TERMS if exceeds else None
    if item.field.startswith(CONTEXT_PREFIX):
        return rules.TOO_MANY_PATHS if count(CONTEXT_PREFIX) >= rules.MAX_CONTEXT_FILTERS else None
    return rules.TOO_MANY_VALUES if count(item.field) >= rules.MAX_VALUES else None


def _at_value(item: Item, detail: str) -> Mistake:
    """Return a mistake in the value; or in the whole item where there is no value."""
    if item.end == item.value_start:
        return _at_item(item, detail)
    return Mistake(detail, item.value_start + 1, item.end - item.value_start)


def _at_item(item: Item, detail: str) -> Mistake:
    return Mistake(detail, item.start + 1, max(1, item.end - item.start))


def _after_spaces(text: str, place: int) -> int:
    match = _spaces.match(text, place)
    return match.end() if match else place
