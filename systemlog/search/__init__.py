"""Searching the log. A search has four steps: parse URL parameters, plan, run, represent the records."""
