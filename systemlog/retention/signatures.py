"""Signatures of an archive's entries: HMAC-SHA256 by a key derived from `SECRET_KEY`, or one of its fallbacks.

Each entry has its own, so that what is added to an archive vouches for nothing that lay there before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "systemlog.retention.archive"


def sign(fields: Mapping[str, object]) -> str:
    """The signature of these values."""
    return _signature(fields, settings.SECRET_KEY)


def is_valid(fields: Mapping[str, object], signature: str) -> bool:
    """Whether this installation signed these values, with its present key or an earlier one."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(signature, _signature(fields, key)) for key in keys)


def _signature(fields: Mapping[str, object], key: str | bytes) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return salted_hmac(SALT, text, secret=key, algorithm="sha256").hexdigest()
