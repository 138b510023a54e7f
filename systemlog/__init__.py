"""Correlation ids, problem bodies and a system log for any Django API."""

from systemlog.recording import record, record_atomically

__all__ = ["record", "record_atomically"]
