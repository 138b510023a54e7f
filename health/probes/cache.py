"""Does the cache keep what it is given?"""

from __future__ import annotations

import dataclasses
import uuid

from django.core.cache import caches

KEPT_S = 10


class NotKept(Exception):
    """The cache took a value and did not give it back."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cache:
    """Writes, reads and removes one value, under a key that no other probe uses."""

    alias: str = "default"

    def __call__(self) -> None:
        """Raise what a request would run into."""
        cache = caches[self.alias]
        key = f"health:{uuid.uuid4()}"
        try:
            cache.set(key, key, KEPT_S)
            if cache.get(key) != key:
                raise NotKept(NotKept.__doc__)
            cache.delete(key)
        finally:
            cache.close()
