"""The errors of PostgreSQL that the storage knows how to answer, by SQLSTATE."""

from __future__ import annotations

UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"


def sqlstate_of(error: Exception) -> str | None:
    """The SQLSTATE of an error of the driver's, or of the one behind one of Django's."""
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
