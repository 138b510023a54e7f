"""Finds passwords, tokens, keys and card numbers, by their keys and by patterns, and replaces them.

Every text of a record is redacted before it is written to disk or to the database. Ids and timestamps are not.
"""

from systemlog.redaction.formatter import RedactingFormatter, redact_record
from systemlog.redaction.patterns import SHORT_BYTES, Scan, Search
from systemlog.redaction.redactor import (
    REDACTED,
    Redactor,
    engine,
    has_secret,
    redact_issued,
    redact_text,
    redact_value,
)

__all__ = [
    "REDACTED",
    "SHORT_BYTES",
    "RedactingFormatter",
    "Redactor",
    "Scan",
    "Search",
    "engine",
    "has_secret",
    "redact_issued",
    "redact_record",
    "redact_text",
    "redact_value",
]
