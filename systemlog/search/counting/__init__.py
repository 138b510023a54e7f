"""Counting the records of a search: totals, histograms and facets, from the roll-up where it can answer."""
