"""Searching the log: from URL parameters to a query plan, pages, totals, histograms and exports."""
