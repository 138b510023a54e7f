"""Signatures of manifest entries: HMAC-SHA256 with a key that is derived from `SECRET_KEY`.

Each entry has a signature of its own. Adding a file to an archive therefore does not sign files that were there before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "systemlog.retention.archive"


def sign(fields: Mapping[str, object]) -> str:
    """Return the signature of these values."""
    return _signature(fields, settings.SECRET_KEY)


def is_valid(fields: Mapping[str, object], signature: str) -> bool:
    """Whether `SECRET_KEY` or one of `SECRET_KEY_FALLBACKS` has signed these values."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(signature, _signature(fields, key)) for key in keys)


def _signature(fields: Mapping[str, object], key: str | bytes) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return salted_hmac(SALT, text, secret=key, algorithm="sha256").hexdigest()
