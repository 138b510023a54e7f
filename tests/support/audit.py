"""Empties the audit outbox in tests about other records than those of the audit trail."""

from __future__ import annotations

from django.db import connections

from systemlog.audit.actor import OUTBOX


def forget_changes() -> None:
    """Empty the outbox, so that earlier changes of the test do not become records."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"DELETE FROM {OUTBOX}")
