"""Probe of a cache: whether it keeps a value."""

from __future__ import annotations

import dataclasses
import uuid

from django.core.cache import caches

KEPT_S = 10


class NotKept(Exception):
    """The cache took a value and did not return it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cache:
    """Sets, gets and deletes a value under a key of its own."""

    alias: str = "default"

    def __call__(self) -> None:
        """Raise the exception that a request would get."""
        cache = caches[self.alias]
        key = f"health:{uuid.uuid4()}"
        try:
            cache.set(key, key, KEPT_S)
            if cache.get(key) != key:
                raise NotKept(NotKept.__doc__)
            cache.delete(key)
        finally:
            cache.close()
