"""Correlation ids, problem bodies and a system log for any Django API."""
