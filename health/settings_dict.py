"""One settings dictionary as a typed class: how defaults, types and rules are declared, read and checked.

`systemlog` and `health` each have a copy of this module, because neither app may import the other. A test holds the two
copies equal.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, get_type_hints

from django.utils.module_loading import import_string

S = TypeVar("S")

Rule = Callable[[Any], str | None]
"""Takes a value of the right type. Returns what is wrong with the value, or None."""


def option(default: Any, doc: str, rule: Rule | None = None) -> Any:
    """Declare a field of a settings class: its default (or a function that makes it), its documentation, and its rule.

    The rule says what must hold of a value beside its type.
    """
    metadata = {"doc": doc, "rule": rule}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def in_force(settings_class: Callable[..., S], given: object) -> S:
    """Return the settings that a dictionary means. Keys that the class does not have are left to the system checks."""
    known = given.items() if isinstance(given, Mapping) else ()
    types = _types(settings_class)
    return settings_class(**{name: value for name, value in known if name in types})


def problems_in(settings_class: Any, given: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what is wrong, what to do) for each unknown key and each bad value of a settings dictionary."""
    fields = {field.name: field for field in dataclasses.fields(settings_class)}
    for name, value in given.items():
        if name not in fields:
            near = difflib.get_close_matches(str(name).upper(), fields, n=1)
            yield name, "is not a setting", f"Did you mean {near[0]!r}?" if near else "Remove it."
            continue
        hint = f"See {name} in the documentation: {fields[name].metadata['doc']}"
        wanted = _types(settings_class)[name]
        if not _fits(value, wanted):
            yield name, f"must be of type {getattr(wanted, '__name__', wanted)}", hint
        elif (rule := fields[name].metadata["rule"]) and (wrong := rule(value)):
            yield name, wrong, hint


def at_least(minimum: float) -> Rule:
    """Return a rule: the number is `minimum` or more."""
    return lambda value: None if value >= minimum else f"must be at least {minimum}"


def between(minimum: float, maximum: float) -> Rule:
    """Return a rule: the number is in the range, both ends included."""
    return lambda value: None if minimum <= value <= maximum else f"must be between {minimum} and {maximum}"


def one_of(*choices: object) -> Rule:
    """Return a rule: the value is one of `choices`."""
    return lambda value: None if value in choices else "must be one of " + ", ".join(map(repr, choices))


def names(value: Any) -> str | None:
    """Rule: a list of names, none of them blank."""
    fits = not isinstance(value, str) and all(isinstance(name, str) and name.strip() for name in value)
    return None if fits else "must be a list of names"


def among(*choices: str) -> Rule:
    """Return a rule: a list of some of `choices`."""

    def rule(value: Any) -> str | None:
        fits = not isinstance(value, str) and all(name in choices for name in value)
        return None if fits else "must be a list of some of " + ", ".join(map(repr, choices))

    return rule


def importable(value: Any) -> str | None:
    """Rule: a list of dotted paths, each of which can be imported."""
    if wrong := names(value):
        return wrong
    for path in value:
        try:
            import_string(path)
        except ImportError:
            return f"names {path!r}, which cannot be imported"
    return None


@functools.cache
def _types(settings_class: Any) -> dict[str, Any]:
    return get_type_hints(settings_class)


def _fits(value: object, wanted: Any) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, getattr(wanted, "__origin__", wanted))
