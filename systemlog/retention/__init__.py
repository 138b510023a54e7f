"""Retention: policies that say how long records are kept, pruning, and archives."""
