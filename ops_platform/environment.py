"""The configuration of the platform: every environment variable, its default and its meaning, in one place.

`read()` never raises: a value that cannot be used is returned as a `Mistake`, has its default's place, and is told
by the system checks (`ops_platform.E001`), so that an operator reads one sentence and not a traceback.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

DatabaseSettings = dict[str, Any]
"""One entry of Django's `DATABASES`."""

MAX_WINDOW_S = 366 * 86_400
"""The longest window of a rate limit."""

UNUSABLE: DatabaseSettings = {"ENGINE": "django.db.backends.dummy"}
"""What stands for a database whose URL is wrong: every use of it fails, and nothing lands in the wrong place."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mistake:
    """A variable whose value cannot be used; the value itself is not repeated, it may be a secret."""

    name: str
    wrong: str


class UnusableValueError(ValueError):
    """Raised by a reader; its text completes the sentence "NAME …"."""


def text(value: str) -> str:
    """Any text."""
    return value


def words(value: str) -> list[str]:
    """Words, separated by commas."""
    return [word for part in value.split(",") if (word := part.strip())]


def switch(value: str) -> bool:
    """On or off, in one of the usual spellings."""
    match value.strip().lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0" | "":
            return False
    raise UnusableValueError("must be on or off (also true/false, yes/no, 1/0)")


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of these words."""

    def choice(value: str) -> str:
        if (word := value.strip().lower()) in choices:
            return word
        raise UnusableValueError("must be one of " + ", ".join(choices))

    return choice


def retention_span(value: str) -> str:
    """A span of time in the form of the retention policies' `keep`; nothing for none."""
    if value and not re.fullmatch(r"[1-9][0-9]{0,4}[dwy]", value.strip(), re.ASCII):
        raise UnusableValueError("must be a span of days, weeks or years, such as 30d, 12w or 7y")
    return value.strip()


def protocols(value: str) -> list[str]:
    """Names of protocols, separated by commas; `none` for none, nothing for all."""
    known = ("otlp", "elastic", "loki", "journald")
    found = words(value.lower())
    if found == ["none"]:
        return []
    if any(name not in known for name in found):
        raise UnusableValueError("must be none, or some of " + ", ".join(known))
    return found or list(known)


def at_least(minimum: int) -> Callable[[str], int]:
    """A reader of whole numbers from `minimum`."""

    def number(value: str) -> int:
        if value.strip().isascii() and value.strip().isdigit() and int(value) >= minimum:
            return int(value)
        raise UnusableValueError(f"must be a whole number from {minimum}")

    return number


def level(value: str) -> str:
    """The name of a level of `logging`."""
    name = value.strip().upper()
    if name in logging.getLevelNamesMapping() and name != "NOTSET":
        return name
    raise UnusableValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")


def rate(value: str) -> tuple[int, int] | None:
    """Quota and window in seconds of a rate such as `100/1m`; None for none."""
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
    """Where rate limits are counted: `shared`, `database` or the URL of a Redis server."""
    value = value.strip() or "shared"
    if value in ("shared", "database") or re.match(r"(rediss?|unix)://[^\s]", value):
        return value
    raise UnusableValueError("must be shared, database, or the URL of a Redis server (redis://host:6379/0)")


def rate_failure(value: str) -> str:
    """`open` or `closed`."""
    return one_of("open", "closed")(value or "open")


def origins(value: str) -> list[str]:
    """Origins as browsers send them, separated by commas; `https://*.example.com` stands for every host below."""
    for word in words(value):
        if not re.fullmatch(r"https?://(\*\.)?([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?", word, re.ASCII | re.IGNORECASE):
            raise UnusableValueError("must be origins with scheme (https://admin.example.com), separated by commas")
    return words(value)


def folder(value: str) -> Path:
    """A directory; a relative one is below the project's."""
    return BASE_DIR / Path(value).expanduser()


def optional_folder(value: str) -> Path | None:
    """The same; None for none."""
    return folder(value) if value else None


def networks(value: str) -> str:
    """Addresses and networks, separated by commas, or `*`."""
    for word in words(value):
        if word != "*":
            try:
                ipaddress.ip_network(word)
            except ValueError:
                raise UnusableValueError("must be IP addresses or networks (10.0.0.0/8), separated by commas") from None
    return value


def trusted(value: str) -> str | list[str]:
    """`all`, `none`, or addresses and networks, separated by commas; `unix` for a Unix socket."""
    value = value.strip()
    if value in ("all", "none"):
        return value
    if not words(value) or "*" in words(value):
        raise UnusableValueError("must be all, none, or IP addresses and networks (10.0.0.0/8), separated by commas")
    networks(",".join(word for word in words(value) if word != "unix"))
    return words(value)


def database(value: str) -> DatabaseSettings | None:
    """The URL of a PostgreSQL or SQLite database; None for none."""
    if not value:
        return None
    # sqlite:///: a file has no host.
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
        # libpq's own way to name the directory of a Unix socket; django-environ leaves it encoded and in lower case.
        settings["HOST"] = unquote(host.partition(":")[0])
    return settings


HOW_A_URL_LOOKS = (
    "postgres://user:password@host:5432/name or sqlite:////path/to/file; encode special characters (%40 for @)"
)


def variable(read: Callable[[str], Any], default: str, doc: str) -> Any:
    """A field of `Environment`: how its text is read, what stands for an absent one, and what it means."""
    return dataclasses.field(metadata={"read": read, "default": default, "doc": doc})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables that the platform reads."""

    SECRET_KEY: str = variable(text, "", "Signs sessions; 50 random characters or more, kept secret. Required.")
    ALLOWED_HOSTS: list[str] = variable(
        words, "", "Host names that the platform answers to, separated by commas. Required."
    )
    DATABASE_URL: DatabaseSettings | None = variable(
        database,
        "",
        "`postgres://user:password@host:5432/name` or `sqlite:////path/to/file`. Default: SQLite in `VAR_DIR`. "
        "Options of the driver follow as a query: `?sslmode=require`.",
    )
    LOG_DATABASE_URL: DatabaseSettings | None = variable(
        database,
        "",
        "A database of its own for `system_logs`. Default: the same as `DATABASE_URL` on PostgreSQL, "
        "a second file beside it on SQLite.",
    )
    VAR_DIR: Path = variable(folder, "var", "Directory of what the platform writes.")
    HTTPS: bool = variable(
        switch, "off", "Clients come by HTTPS, ended by a proxy: redirects, HSTS, cookies for HTTPS only."
    )
    HSTS_SECONDS: int = variable(
        at_least(0), "86400", "With `HTTPS`: how long browsers insist on it. Raise it when you are sure."
    )
    FORWARDED_ALLOW_IPS: str = variable(
        networks,
        "127.0.0.1,::1",
        "Addresses or networks of the proxies whose `X-Forwarded-Proto` and `X-Forwarded-For` are believed; `*` for "
        "any.",
    )
    RATE_LIMIT_IP: tuple[int, int] | None = variable(
        rate,
        "",
        "How often one address may ask (an IPv6 client: its /64): `100/1m` is 100 at once, then 100 a minute. "
        "Default: no limit.",
    )
    RATE_LIMIT_USER: tuple[int, int] | None = variable(
        rate, "", "How often one user may ask, with all tokens together. Default: no limit."
    )
    RATE_LIMIT_STORE: str = variable(
        rate_store,
        "shared",
        "What the limits hold for: `shared` (the processes of this host, by a file in `VAR_DIR`), `database` (all "
        "hosts) or `redis://host:6379/0` (all hosts).",
    )
    RATE_LIMIT_FAIL: str = variable(
        rate_failure,
        "open",
        "What happens while the store does not answer: `open` lets all requests in, `closed` answers 503.",
    )
    CORRELATION_TRUST: str | list[str] = variable(
        trusted,
        "all",
        "From whom an incoming `X-Request-ID` and trace are taken: `all`, `none`, or your proxies' addresses and "
        "networks, separated by commas (`unix` for a Unix socket).",
    )
    ACCESS_LOG: bool = variable(switch, "off", "One record for each request, by the logger `systemlog.access`.")
    CSRF_TRUSTED_ORIGINS: list[str] = variable(
        origins,
        "",
        "Further origins from which the admin's forms may be sent, with scheme: `https://admin.example.com`.",
    )
    SYSTEMLOG_JOURNAL: str = variable(
        one_of("files", "direct", "memory"),
        "files",
        "Where accepted records go first: `files`, `direct` (no disk: into the database at once) or `memory` (tests).",
    )
    SYSTEMLOG_JOURNAL_MAX_BYTES: int = variable(
        at_least(2**20),
        str(2**30),
        "Bytes that records may wait in; as it fills, levels are refused, DEBUG first.",
    )
    SYSTEMLOG_RETENTION: str = variable(
        retention_span,
        "",
        "How long `manage.py prune_system_logs`, run daily, keeps records: `30d`, `12w`, `7y`. Default: for ever.",
    )
    SYSTEMLOG_LANDER: str = variable(
        one_of("thread", "process"),
        "thread",
        "Who moves the journal into the database: `thread` of a server, or `process` (`manage.py land_system_logs`).",
    )
    SYSTEMLOG_JOURNAL_DIR: Path | None = variable(
        optional_folder,
        "",
        "Directory on a local disk for records that are accepted and not yet stored. Default: `journal` in `VAR_DIR`.",
    )
    SYSTEMLOG_INGEST: list[str] = variable(
        protocols,
        "",
        "Protocols besides the log API whose records are taken, separated by commas: `otlp`, `elastic`, `loki`, "
        "`journald`; `none` for none. Default: all of them.",
    )
    SYSTEMLOG_CITUS: bool = variable(
        switch, "off", "The log's database is the coordinator of a Citus cluster, over which the log is distributed."
    )
    REMEMBER_TOKENS: bool = variable(
        switch,
        "on",
        "Bulks are taken while the database is down, by tokens that were valid in the last five minutes and were not "
        "refused since.",
    )
    HEALTH_TOKEN: str = variable(
        text,
        "",
        "A bearer token (16 characters or more) that sees the probes' details and, where they need one, the metrics.",
    )
    METRICS_RESTRICTED: bool = variable(switch, "off", "The metrics are told only to who brings `HEALTH_TOKEN`.")
    DRAIN_SECONDS: int = variable(
        at_least(0), "0", "So long it serves on after SIGTERM, while it says by its readiness that it will stop."
    )
    VERSION: str = variable(text, "", "Version of the deployment; told to those who may see the probes' details.")
    WEB_CONCURRENCY: int = variable(
        at_least(1), "2", "Worker processes of `manage.py serve`, unless `--workers` is given."
    )
    LOG_FORMAT: str = variable(
        one_of("json", "ecs"),
        "json",
        "What is written to stdout: `json`, or `ecs` (documents of the Elastic Common Schema, for log shippers).",
    )
    LOG_LEVEL: str = variable(level, "INFO", "The lowest level that is written to stdout.")
    DEBUG: bool = variable(switch, "off", "Django's debug mode, for development on your own machine only.")
    ENV_FILE: str = variable(
        text, ".env", "File with further variables; what the environment has wins. Empty for none."
    )


def read(given: Mapping[str, str]) -> tuple[Environment, list[Mistake]]:
    """The configuration that `given` (such as `os.environ`) says, and what is wrong with it."""
    values: dict[str, Any] = {}
    mistakes = []
    for field in dataclasses.fields(Environment):
        reader, default = field.metadata["read"], field.metadata["default"]
        value = given.get(field.name, default)
        if reader is folder and not value:
            value = default  # and not the project's own directory
        try:
            values[field.name] = reader(value)
        except UnusableValueError as error:
            mistakes.append(Mistake(field.name, str(error)))
            values[field.name] = UNUSABLE if reader is database else reader(default)
    return Environment(**values), mistakes


def load() -> tuple[Environment, list[Mistake]]:
    """The configuration of this process: `os.environ`, and what it leaves open from `ENV_FILE`."""
    name = os.environ.get("ENV_FILE")
    wrong = None
    if name != "":
        file = BASE_DIR / (name or ".env")
        if name and (file.is_dir() or not os.access(file, os.R_OK)):
            wrong = "names no file that can be read"
        else:
            try:
                environ.Env.read_env(file)
            except UnicodeDecodeError:
                wrong = "names a file that is not UTF-8"
    variables, mistakes = read(os.environ)
    return variables, mistakes + ([Mistake("ENV_FILE", wrong)] if wrong else [])
