"""Which correlation ids are taken over from a client, and how new ones are made."""

from __future__ import annotations

import os
import re

MAX_LENGTH = 200

_acceptable = re.compile(rf"[A-Za-z0-9._~+/=@:-]{{1,{MAX_LENGTH}}}").fullmatch

# The digit of a UUID that carries the variant in its upper two bits (RFC 9562, 4.1), by the random digit there.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def is_acceptable(value: str) -> bool:
    """Whether `value` may become the id of a request: 1 to 200 characters that are safe in headers, URLs and logs."""
    return _acceptable(value) is not None


def new_id() -> str:
    """A new random id: a dashed UUID (version 4) of 36 characters.

    Straight from the kernel: a third of what `uuid.uuid4()` and its text cost, and no pool that a fork would repeat.
    """
    digits = os.urandom(16).hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
