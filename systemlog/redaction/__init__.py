"""What must never be stored: passwords, tokens, keys and card numbers, found by key and by pattern.

Every text of a record passes here before it touches disk or database. Ids and timestamps of records do not.
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
