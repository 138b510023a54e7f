"""The SQL functions that queries call on SQLite, written in Python."""

from __future__ import annotations

import functools
import json
from datetime import datetime, tzinfo
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.records.context_json import ContextDecoder
from systemlog.records.times import represent_time


def register_functions(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Register the functions of `systemlog.storage.expressions` on a new SQLite connection.

    A receiver of `connection_created`.
    """
    if connection.vendor == "sqlite":
        create = connection.connection.create_function
        create("systemlog_json_contains", 2, _json_contains, deterministic=True)
        create("systemlog_has_term", 2, _has_term, deterministic=True)
        create("systemlog_time_text", 1, lambda text: _time_text(text, compat.zone_of(connection)), deterministic=True)


def _has_term(text: str | None, term: str) -> bool:
    return text is not None and term in text.lower()


def _time_text(text: str, zone: tzinfo | None) -> str:
    return represent_time(datetime.fromisoformat(text).replace(tzinfo=zone))


def _json_contains(document: str | None, wanted: str) -> bool:
    return document is not None and _contains(ContextDecoder().decode(document), _wanted(wanted))


@functools.lru_cache(256)
def _wanted(text: str) -> Any:
    return json.loads(text)


def _contains(value: Any, wanted: Any) -> bool:
    """Evaluate PostgreSQL's `@>`: an object has each wanted member, an array each wanted element, a scalar is equal."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _contains(value[name], member) for name, member in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_contains(one, each) for one in value) for each in wanted)
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted
