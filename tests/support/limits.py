"""What the tests of rate limits share."""

from __future__ import annotations

from collections.abc import Callable

Limit = Callable[..., None]
