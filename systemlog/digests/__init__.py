"""Tamper evidence: signed digests of each hour of the log, kept in a table and in a directory outside the database."""
