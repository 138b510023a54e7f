"""Rules for values of a dictionary: names beside values, SQL statements beside parameters, and empty values."""

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
"""The ends of dictionary keys that hold the name (`_NAMES`) and the value (`_HOLDERS`) of something else."""

_STATEMENTS = ("sql", "query", "statement")
_PARAMETERS = frozenset(("params", "parameters", "args"))
MAX_DIGITS = 19


def is_name(key: object) -> bool:
    """Return whether `key` holds the name of a value that has a key of its own: `{"name": …, "value": …}`."""
    return isinstance(key, str) and (key.lower().endswith(_NAMES) or key == "k")


def is_holder(key: str) -> bool:
    """Return whether `key` holds a value whose name has a key of its own: `{"name": …, "value": …}`."""
    return key.lower().endswith(_HOLDERS) or key == "v"


def parameters_of(source: dict[Any, Any]) -> frozenset[str]:
    """Return the keys that hold the parameters of a statement in which a sensitive column has a placeholder."""
    for key in _STATEMENTS:
        if type(statement := source.get(key)) is str and commands.has_place(statement):
            return _PARAMETERS
    return frozenset()


def alone(value: object) -> bytes | None:
    """Return a text or number, or the only item of a list, as bytes; None for another value."""
    if issubclass(type(value), list | tuple) and len(value) == 1:  # type: ignore[arg-type]  # it has a length
        value = value[0]  # type: ignore[index]  # a list or tuple
    kind = type(value)
    if issubclass(kind, str):
        return str.encode(value, "utf-8", "surrogatepass")  # type: ignore[arg-type]  # a text
    return str(value).encode() if type(value) is int and abs(value) < 10**MAX_DIGITS else None


def has_content(value: object) -> bool:
    """Return whether there is something to redact: not in None, booleans and empty texts and containers."""
    if issubclass(type(value), str | list | tuple | dict):
        return len(value) > 0  # type: ignore[arg-type]  # each of them has a length
    return value is not None and type(value) is not bool
