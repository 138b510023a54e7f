"""Rules for values of a dictionary: names beside values, SQL statements beside parameters, and empty values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from systemlog.redaction import commands
from systemlog.redaction.pairs import REDACTED

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


_PRIVATE_MEMBERS = frozenset(("k", "d", "p", "q", "dp", "dq", "qi", "oth"))


def private_members_of(source: dict[Any, Any]) -> frozenset[str]:
    """Return the keys that hold the private parts of a JSON Web Key (RFC 7518, section 6)."""
    return _PRIVATE_MEMBERS if source.get("kty") in ("EC", "OKP", "RSA", "oct") else frozenset()


def hide_argument(source: Sequence[Any]) -> tuple[int, str] | None:
    """Return the index of a command's argument that holds a password, and the argument with the password replaced."""
    if len(source) < 2 or not all(type(each) is str for each in source[: commands.MAX_WORDS]):
        return None
    words = [each.encode("utf-8", "surrogatepass") for each in source[: commands.MAX_WORDS]]
    found = commands.password_argument(words)
    if found is None:
        return None
    number, (start, end) = found
    word = words[number]
    return number, b"".join((word[:start], REDACTED, word[end:])).decode("utf-8", "surrogatepass")


def alone(value: object) -> bytes | None:
    """Return a text or number, or the only item of a list, as bytes; None for another value."""
    if issubclass(type(value), list | tuple) and len(value) == 1:  # type: ignore[arg-type]  # it has a length
        value = value[0]  # type: ignore[index]  # a list or tuple
    kind = type(value)
    if issubclass(kind, str):
        return str.encode(value, "utf-8", "surrogatepass")  # type: ignore[arg-type]  # a text
    return str(value).encode() if type(value) is int and abs(value) < 10**MAX_DIGITS else None


def has_content(value: object) -> bool:
    """Return whether the value can hold a secret. None, booleans, and empty texts and containers cannot."""
    if issubclass(type(value), str | list | tuple | dict):
        return len(value) > 0  # type: ignore[arg-type]  # each of them has a length
    return value is not None and type(value) is not bool
