"""Metrics: the instruments, how processes share their numbers, and how a scrape reads them."""
