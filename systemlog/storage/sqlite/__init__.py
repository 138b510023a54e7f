"""The storage of SQLite."""
