"""Tamper evidence: a signed digest of each hour of the log, kept in a table and in a directory outside the database."""
