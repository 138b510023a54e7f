"""Tests with real clients that are too slow for the suite, or that are only on npm or Debian."""
