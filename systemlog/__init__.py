"""Correlation ids, problem bodies and a system log for any Django API."""

from systemlog.exceptions import SystemLogError
from systemlog.recording import record, record_atomically

__all__ = ["SystemLogError", "record", "record_atomically"]
