"""What a dictionary says about its values: names beside values, statements beside parameters, nothing to hide."""

from __future__ import annotations

from typing import Any

from systemlog.redaction import commands

_NAMES = (
    "env",
    "field",
    "header",
    "id",
    "key",
    "loc",
    "name",
    "option",
    "param",
    "parameter",
    "property",
    "setting",
    "var",
)
_HOLDERS = ("content", "contents", "current", "data", "default", "input", "secret", "string", "text", "val", "value")
"""What keys of a dictionary end in that hold the name and the value of something else."""

_STATEMENTS = ("sql", "query", "statement")
_PARAMETERS = frozenset(("params", "parameters", "args"))
MOST_DIGITS = 19


def is_name(key: object) -> bool:
    """Whether `key` holds the name of something whose value stands beside it."""
    return isinstance(key, str) and (key.lower().endswith(_NAMES) or key == "k")


def is_holder(key: str) -> bool:
    """Whether `key` holds the value of what is named beside it."""
    return key.lower().endswith(_HOLDERS) or key == "v"


def parameters_of(source: dict[Any, Any]) -> frozenset[str]:
    """The keys that hold the parameters of a statement in which a sensitive column has a place."""
    for key in _STATEMENTS:
        if type(statement := source.get(key)) is str and commands.has_place(statement):
            return _PARAMETERS
    return frozenset()


def alone(value: object) -> bytes | None:
    """A value as text, or the only text of a list."""
    if issubclass(type(value), list | tuple) and len(value) == 1:  # type: ignore[arg-type]  # it has a length
        value = value[0]  # type: ignore[index]
    kind = type(value)
    if issubclass(kind, str):
        return str.encode(value, "utf-8", "surrogatepass")  # type: ignore[arg-type]
    return str(value).encode() if kind is int and abs(value) < 10**MOST_DIGITS else None  # type: ignore[arg-type]


def tells(value: object) -> bool:
    """Whether there is anything to hide: that a password is missing, empty or set is no secret."""
    if issubclass(type(value), str | list | tuple | dict):
        return len(value) > 0  # type: ignore[arg-type]  # each of them has a length
    return value is not None and type(value) is not bool
