"""The log table on SQLite."""
