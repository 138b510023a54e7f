"""What must never be stored: passwords, tokens, keys and card numbers, found by key and by pattern.

Every text of a record passes here before it touches disk or database. Ids and timestamps of records do not.
"""

from systemlog.redaction.redactor import REDACTED, Redactor, has_secret, redact_text, redact_value, secret_scanner

__all__ = ["REDACTED", "Redactor", "has_secret", "redact_text", "redact_value", "secret_scanner"]
