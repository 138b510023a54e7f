"""Signatures of manifest entries: HMAC-SHA256 with a key that is derived from `SECRET_KEY`.

Each entry has a signature of its own. Adding a file to an archive therefore does not sign files that were there before.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from django.conf import settings

SALT = b"systemlog.retention.archive"


def sign(fields: Mapping[str, object]) -> str:
    """Return the signature of these values."""
    return _signature(fields, settings.SECRET_KEY)


def is_valid(fields: Mapping[str, object], signature: str) -> bool:
    """Whether `SECRET_KEY` or one of `SECRET_KEY_FALLBACKS` has signed these values."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(signature, _signature(fields, key)) for key in keys)


def _signature(fields: Mapping[str, object], key: str | bytes) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    derived = hashlib.sha256(SALT + (key.encode() if isinstance(key, str) else key)).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()
