"""Tests of `systemlog.problems`."""
