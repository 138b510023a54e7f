"""Signed statements: digests, and notes of late records. Each is a line of JSON whose last member is the signature.

The signed bytes are the line up to that member, and a closing brace. A digest names the SHA-256 of the line before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson

from systemlog.digests.keys import PublicKey, Signer
from systemlog.exceptions import SystemLogError
from systemlog.records.times import represent_time

HOUR = timedelta(hours=1)
SIGNATURE = ',"signature":"'

SEALED, RESEALED, PRUNED, RESTORED, ARCHIVED, KEY, ACCEPTED, LATE = (
    "sealed",
    "resealed",
    "pruned",
    "restored",
    "archived",
    "key",
    "accepted",
    "late",
)
STATING = (SEALED, RESEALED, PRUNED, RESTORED, ACCEPTED)
"""The kinds of digests that state what an hour holds."""


class NotAStatement(SystemLogError, ValueError):
    """The line is not a statement that this version knows."""


@dataclass(frozen=True)
class Statement:
    """A line, and its members without the signature."""

    line: str
    said: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.said["kind"])

    @property
    def number(self) -> int:
        """The place of a digest in the chain, from 1."""
        return int(self.said["number"])

    @property
    def key(self) -> str:
        """The id of the key that signed the statement."""
        return str(self.said["key"])

    @property
    def hours(self) -> int:
        """How many hours the statement covers, from `hour` on. More than one means that each of them is empty."""
        return int(self.said.get("hours", 1))

    @cached_property
    def hour(self) -> datetime | None:
        """The first hour that the statement covers, or None if it is about no hour."""
        text = self.said.get("hour")
        return read_hour(text) if text else None

    @cached_property
    def until(self) -> datetime | None:
        """The hour before which all hours are sealed."""
        text = self.said.get("until")
        return read_hour(text) if text else None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the line."""
        return sha256(self.line.encode()).hexdigest()

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether this key has signed the line."""
        signed, _, rest = self.line.rpartition(SIGNATURE)
        try:
            return key.verifies(f"{signed}}}".encode(), bytes.fromhex(rest.removesuffix('"}')))
        except ValueError:
            return False


def write(said: Mapping[str, Any], signer: Signer) -> Statement:
    """Sign the members, with the time and the key added, and return the statement. Raises `KeyUnusable`."""
    said = {**said, "at": represent_time(datetime.now(UTC)), "key": signer.public.id}
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
    return Statement(f'{text[:-1]}{SIGNATURE}{signer.sign(text.encode()).hex()}"}}', said)


def read(line: str) -> Statement:
    """Return the digest of a line. Raises `NotAStatement`."""
    digest = _read(line)
    try:
        _ = digest.number, str(digest.said["previous"])
    except (ValueError, KeyError, TypeError, OverflowError):
        raise NotAStatement(f"This is no digest: {line[:100]}") from None
    return digest


def read_note(line: str) -> Statement:
    """Return the note of a line. Raises `NotAStatement`."""
    note = _read(line)
    if note.kind != LATE:
        raise NotAStatement(f"This is no note: {line[:100]}")
    return note


def hour_of(instant: datetime) -> datetime:
    """Return the beginning of the hour that an instant is in."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def write_hour(hour: datetime) -> str:
    """Return an hour as 2026-01-02T03."""
    return hour.isoformat(timespec="hours")[:13]


def read_hour(text: str) -> datetime:
    """Return the hour of a text such as 2026-01-02T03. Raises `ValueError`."""
    if len(text) != 13:
        raise ValueError(text)
    return datetime.fromisoformat(f"{text}:00:00+00:00")


def _read(line: str) -> Statement:
    try:
        said = json.loads(line)
        # The line must be exactly what `write` makes, so that no two parsers can read it differently.
        signature = said.pop("signature")
        text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
        if f'{text[:-1]}{SIGNATURE}{signature}"}}' != line:
            raise NotAStatement(line[:100])
        statement = Statement(line, said)
        _ = statement.kind, statement.key, statement.hours, statement.hour, statement.until
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise NotAStatement(f"This is no digest: {line[:100]}") from None
    return statement
