"""SQLSTATEs of the PostgreSQL errors that the storage handles."""

from __future__ import annotations

UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"


def sqlstate_of(error: Exception) -> str | None:
    """Return the SQLSTATE of a driver's error, or of the driver's error that caused a Django error."""
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
