"""The rule for correlation ids that a client sends, and the function that makes new ones."""

from __future__ import annotations

import os
import re

MAX_LENGTH = 200

_acceptable = re.compile(rf"[A-Za-z0-9._~+/=@:-]{{1,{MAX_LENGTH}}}").fullmatch

# By a random hexadecimal digit, the digit with the UUID's variant in its upper two bits (RFC 9562, 4.1).
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def is_acceptable(value: str) -> bool:
    """Return whether `value` may be a correlation id: 1 to 200 characters that are safe in headers, URLs and logs."""
    return _acceptable(value) is not None


def new_id() -> str:
    """Return a new random id: a UUID of version 4 with dashes, 36 characters.

    Reads the kernel's random numbers directly. That costs a third of `uuid.uuid4()` and its text, and there is no pool
    of random numbers that two processes would share after a fork.
    """
    digits = os.urandom(16).hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
