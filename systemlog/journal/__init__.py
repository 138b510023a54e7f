"""Accepting records: each is appended as a line to a segment file on local disk, without asking a database."""

from systemlog.journal.backends import accept_lines, accept_rows
from systemlog.journal.directory import JournalState, JournalUnusable, read_state
from systemlog.journal.handler import SystemLogHandler

__all__ = ["JournalState", "JournalUnusable", "SystemLogHandler", "accept_lines", "accept_rows", "read_state"]
