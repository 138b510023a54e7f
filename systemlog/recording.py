"""Recording from application code without a logger: `record` and `record_atomically`.

`record` appends to the journal. `record_atomically` writes into the table, in the caller's transaction.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.transaction import TransactionManagementError

from systemlog import compat
from systemlog.conf import conf
from systemlog.correlation import current_ids
from systemlog.journal import backends
from systemlog.journal.lines import build_line, column
from systemlog.journal.serialization import named
from systemlog.records.copy_text import decode
from systemlog.records.ids import id_of_key, new_key_bytes
from systemlog.records.levels import LEVEL_NAMES
from systemlog.storage import get_storage


def record(
    category: str,
    message: str = "",
    *,
    level: str = "INFO",
    subject: object = None,
    user: object = None,
    **context: Any,
) -> uuid.UUID | None:
    """Record that something happened: `record("order.paid", subject=order, user=request.user, amount="12.50")`.

    `category` names what happened, and is the message too if none is given. `level` is one of logging's five names.
    `subject` is what the record is about: a model instance, stored as `app_label.model:pk`, or a text. `user` is who
    did it: a user or a key, by default the user of the correlation. All other arguments go into `context`.

    Returns the record's id; None where the journal has no room. When this returns an id the record is accepted,
    whatever becomes of a transaction. Raises `ValueError` for another level.
    """
    key = new_key_bytes()
    line = _line(key, category, message, level, subject, user, context)
    return id_of_key(key) if backends.sink().append(line) else None


def record_atomically(
    category: str,
    message: str = "",
    *,
    using: str = "default",
    level: str = "INFO",
    subject: object = None,
    user: object = None,
    **context: Any,
) -> uuid.UUID:
    """Write a record in the caller's transaction: it exists if and only if that transaction commits.

    `using` is the alias of the transaction's database. The other parameters are those of `record`. Raises
    `ImproperlyConfigured` where the log is in another database, `TransactionManagementError` outside a transaction,
    `ValueError` for another level, and what the database raises.
    """
    if using != conf().DATABASE:
        raise ImproperlyConfigured(
            f"A record cannot be atomic with a transaction on {using!r}: SYSTEMLOG['DATABASE'] is {conf().DATABASE!r}."
        )
    if not compat.in_transaction(connections[using]):
        raise TransactionManagementError("record_atomically() must be called inside transaction.atomic().")
    row = decode(_line(new_key_bytes(), category, message, level, subject, user, context))
    get_storage(using).insert([row])
    return row.id


def _user_key(user: object) -> str:
    try:
        return str(getattr(user, "pk", user))
    except Exception:  # noqa: BLE001  (a lazy user may be impossible to load at the moment)
        return named(user)


def _line(
    key: bytes, category: str, message: str, level: str, subject: object, user: object, context: dict[str, Any]
) -> bytes:
    if level not in LEVEL_NAMES:
        raise ValueError(f"There is no level {level!r}: name one of {', '.join(LEVEL_NAMES)}.")
    correlation_id, trace_id, user_id = current_ids()
    if user is not None:
        user_id = _user_key(user)
    columns = column(correlation_id), column(user_id), column(trace_id), column(subject)
    return build_line(backends.writer_config(), key, level.encode(), category, message or category, context, *columns)
