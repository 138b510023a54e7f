"""From an exception to a problem body."""
