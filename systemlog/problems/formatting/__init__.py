"""Turns an exception into a problem body and its response."""
