"""The outbox of the platform's own audit trail, in tests that look at other records."""

from __future__ import annotations

from django.db import connections

from systemlog.audit.actor import OUTBOX


def forget_changes() -> None:
    """Empty the outbox: what the test changed so far becomes no record."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"DELETE FROM {OUTBOX}")
