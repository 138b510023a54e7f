"""Retention: which records are kept how long, pruning, and archives."""
