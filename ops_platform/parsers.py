"""Parsers of environment variables. Each takes a text, and raises `UnusableValueError` if the text is wrong."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from systemlog import conf
from systemlog.conf import INGEST_PROTOCOLS
from systemlog.records.durations import parse_duration

BASE_DIR = Path(__file__).resolve().parent.parent

DatabaseSettings = dict[str, Any]
"""One entry of Django's `DATABASES`."""

MAX_WINDOW_S = 366 * 86_400
"""The longest window of a rate limit."""

UNUSABLE: DatabaseSettings = {"ENGINE": "django.db.backends.dummy"}
"""Used in place of a database whose URL is wrong: every use fails, and no record lands in the wrong database."""


class UnusableValueError(ValueError):
    """A parser refused the value. The text completes the sentence "NAME …"."""


def text(value: str) -> str:
    """Return the text as it is."""
    return value


def words(value: str) -> list[str]:
    """Parse words that are separated by commas."""
    return [word for part in value.split(",") if (word := part.strip())]


def switch(value: str) -> bool:
    """Parse on or off, in one of the usual spellings."""
    match value.strip().lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0" | "":
            return False
    raise UnusableValueError("must be on or off (also true/false, yes/no, 1/0)")


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser of one of these words."""

    def choice(value: str) -> str:
        if (word := value.strip().lower()) in choices:
            return word
        raise UnusableValueError("must be one of " + ", ".join(choices))

    return choice


def retention_span(value: str) -> str:
    """Parse a span of time in the syntax of `keep` of a retention policy. An empty value means none."""
    if value and not re.fullmatch(r"[1-9][0-9]{0,4}[dwy]", value.strip(), re.ASCII):
        raise UnusableValueError("must be a span of days, weeks or years, such as 30d, 12w or 7y")
    return value.strip()


def protocols(value: str) -> list[str]:
    """Parse names of protocols, separated by commas; `none` for none, empty for all."""
    found = words(value.lower())
    if found == ["none"]:
        return []
    if any(name not in INGEST_PROTOCOLS for name in found):
        raise UnusableValueError("must be none, or some of " + ", ".join(INGEST_PROTOCOLS))
    return found or list(INGEST_PROTOCOLS)


def at_least(minimum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `minimum` on."""

    def number(value: str) -> int:
        if value.strip().isascii() and value.strip().isdigit() and int(value) >= minimum:
            return int(value)
        raise UnusableValueError(f"must be a whole number from {minimum}")

    return number


def level(value: str) -> str:
    """Parse the name of a level of `logging`."""
    name = value.strip().upper()
    if name in logging.getLevelNamesMapping() and name != "NOTSET":
        return name
    raise UnusableValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")


def rate(value: str) -> tuple[int, int] | None:
    """Parse a rate such as `100/1m` into its quota and its window in seconds; None if the value is empty."""
    if not value.strip():
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,4})?([smhd])", value.strip(), re.ASCII)
    if match is None:
        raise UnusableValueError("must be a number of requests and a span of time, such as 100/10s, 5/1m or 1000/1h")
    quota, number, unit = match.groups()
    window_s = int(number or 1) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    if window_s > MAX_WINDOW_S:
        raise UnusableValueError("must have a span of time of 366 days at most")
    return int(quota), window_s


def rate_store(value: str) -> str:
    """Parse the place where rate limits are counted: `shared`, `database` or the URL of a Redis server."""
    value = value.strip() or "shared"
    if value in ("shared", "database") or re.match(r"(rediss?|unix)://[^\s]", value):
        return value
    raise UnusableValueError("must be shared, database, or the URL of a Redis server (redis://host:6379/0)")


def rate_failure(value: str) -> str:
    """Parse `open` or `closed`. An empty value is `open`."""
    return one_of("open", "closed")(value or "open")


def span(least_s: int, most_s: int, default: str) -> Callable[[str], str]:
    """Return a parser of a duration such as `15s` in a range. An empty value is the default."""

    def duration(value: str) -> str:
        value = value.strip() or default
        try:
            if least_s <= parse_duration(value).total_seconds() <= most_s:
                return value
        except (ValueError, OverflowError):
            pass
        raise UnusableValueError(f"must be a duration such as 15s, 5m or 1h, from {least_s} to {most_s} seconds")

    return duration


def public_url(value: str) -> str:
    """Parse the http(s) address of the service; empty for none."""
    if value and conf.public_url(value) is not None:
        raise UnusableValueError("must be an http(s) URL without query, such as https://logs.example.com")
    return value


def mail_server(value: str) -> dict[str, Any]:
    """Parse the URL of a mail server into Django's settings; empty for the default."""
    if not value:
        return {}
    try:
        settings: dict[str, Any] = environ.Env.email_url_config(value)
    except (ValueError, KeyError, ImproperlyConfigured):
        settings = {}
    if not settings.get("EMAIL_BACKEND"):
        raise UnusableValueError("must be the URL of a mail server: smtp+tls://user:password@mail.example.com:587")
    named = {name: setting for name, setting in settings.items() if name.startswith("EMAIL_") and setting}
    return {"EMAIL_TIMEOUT": 10, **named}


def origins(value: str) -> list[str]:
    """Parse origins, separated by commas; `https://*.example.com` stands for every host below it."""
    for word in words(value):
        if not re.fullmatch(r"https?://(\*\.)?([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?", word, re.ASCII | re.IGNORECASE):
            raise UnusableValueError("must be origins with scheme (https://admin.example.com), separated by commas")
    return words(value)


def folder(value: str) -> Path:
    """Parse a directory. A relative path is below the project's directory."""
    return BASE_DIR / Path(value).expanduser()


def optional_folder(value: str) -> Path | None:
    """Parse a directory; None if the value is empty."""
    return folder(value) if value else None


def networks(value: str) -> str:
    """Check addresses and networks, separated by commas, or `*`."""
    for word in words(value):
        if word != "*":
            try:
                ipaddress.ip_network(word)
            except ValueError:
                raise UnusableValueError("must be IP addresses or networks (10.0.0.0/8), separated by commas") from None
    return value


def trusted(value: str) -> str | list[str]:
    """Parse `all`, `none`, or addresses and networks, separated by commas; `unix` is a Unix socket."""
    value = value.strip()
    if value in ("all", "none"):
        return value
    if not words(value) or "*" in words(value):
        raise UnusableValueError("must be all, none, or IP addresses and networks (10.0.0.0/8), separated by commas")
    networks(",".join(word for word in words(value) if word != "unix"))
    return words(value)


def database(value: str) -> DatabaseSettings | None:
    """Parse the URL of a PostgreSQL or SQLite database; None if the value is empty."""
    if not value:
        return None
    # sqlite:/// with three slashes: a file has no host.
    if not value.startswith(("postgres://", "postgresql://", "sqlite:///")):
        raise UnusableValueError("must name a PostgreSQL or SQLite database: " + HOW_A_URL_LOOKS)
    try:
        url = urlsplit(value)
        settings: DatabaseSettings = environ.Env.db_url_config(value) if url.path.strip("/") else {}
    except (ValueError, ImproperlyConfigured):
        raise UnusableValueError("is no URL: it has a bad host or port; " + HOW_A_URL_LOOKS) from None
    if not settings:
        raise UnusableValueError("names no database: " + HOW_A_URL_LOOKS)
    if url.scheme == "sqlite":
        settings["NAME"] = str(folder(settings["NAME"]))
    elif "%2F" in (host := url.netloc.rpartition("@")[2]).upper():
        # libpq's way to name the directory of a Unix socket. django-environ leaves it encoded and in lower case.
        settings["HOST"] = unquote(host.partition(":")[0])
    return settings


HOW_A_URL_LOOKS = (
    "postgres://user:password@host:5432/name or sqlite:////path/to/file; encode special characters (%40 for @)"
)
