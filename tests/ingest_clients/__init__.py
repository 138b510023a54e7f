"""Real clients that are too slow for the suite, or that only npm and Debian have."""
