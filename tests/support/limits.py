"""Helpers for tests of rate limits."""

from __future__ import annotations

from collections.abc import Callable

Limit = Callable[..., None]
