"""The REST API of the system log."""
