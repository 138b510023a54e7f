"""The environment variables of the platform, with their defaults and documentation.

`read()` never raises. For a value that cannot be used it returns a `Mistake` and uses the default; the system check
ops_platform.E001 reports the mistake, so that the operator reads a sentence instead of a traceback.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import environ

from ops_platform.parsers import (
    BASE_DIR,
    UNUSABLE,
    DatabaseSettings,
    UnusableValueError,
    at_least,
    database,
    folder,
    level,
    mail_server,
    networks,
    one_of,
    optional_folder,
    origins,
    protocols,
    public_url,
    rate,
    rate_failure,
    rate_store,
    retention_span,
    span,
    switch,
    text,
    trusted,
    words,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Mistake:
    """A variable whose value cannot be used. The value is not repeated, because it may be a secret."""

    name: str
    wrong: str


def variable(read: Callable[[str], Any], default: str, doc: str) -> Any:
    """Return a field of `Environment` with its parser, its default as text, and its documentation."""
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
        "The query has options of the driver: `?sslmode=require`.",
    )
    LOG_DATABASE_URL: DatabaseSettings | None = variable(
        database,
        "",
        "Separate database for `system_logs`. Default: that of `DATABASE_URL` on PostgreSQL, a second file on SQLite.",
    )
    VAR_DIR: Path = variable(folder, "var", "Directory for all files that the platform writes.")
    HTTPS: bool = variable(
        switch,
        "off",
        "Clients use HTTPS, which a proxy terminates: turns on redirects, HSTS, and cookies for HTTPS only.",
    )
    HSTS_SECONDS: int = variable(
        at_least(0), "86400", "With `HTTPS`: seconds for which browsers use HTTPS only. Raise it when HTTPS works."
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
    ALERTS_FILE: Path | None = variable(
        optional_folder,
        "",
        "A JSON file with the rules of alerts and who is told of them: see docs/alerts.md. Default: no rules.",
    )
    ALERT_INTERVAL: str = variable(span(1, 3600, "15s"), "15s", "Time between two evaluations of the rules of alerts.")
    ALERT_LATE: str = variable(span(0, 7 * 86_400, "1h"), "1h", "How late a record may land and still count in a rule.")
    PUBLIC_URL: str = variable(
        public_url, "", "Address of this service for people, to which alerts link: `https://logs.example.com`."
    )
    EMAIL_URL: dict[str, Any] = variable(
        mail_server,
        "",
        "Server for mail about alerts: `smtp+tls://user:password@mail.example.com:587`. Default: `smtp://localhost:25`.",
    )
    EMAIL_FROM: str = variable(text, "alerts@localhost", "Sender of mail about alerts.")
    CORRELATION_TRUST: str | list[str] = variable(
        trusted,
        "all",
        "Clients whose `X-Request-ID` and trace context are adopted: `all`, `none`, or addresses and networks of your "
        "proxies, separated by commas (`unix` for a Unix socket).",
    )
    ACCESS_LOG: bool = variable(switch, "off", "Log one record for each request to the logger `systemlog.access`.")
    CSRF_TRUSTED_ORIGINS: list[str] = variable(
        origins,
        "",
        "Further origins that may send the forms of the admin, with scheme: `https://admin.example.com`.",
    )
    SYSTEMLOG_JOURNAL: str = variable(
        one_of("files", "direct", "memory"),
        "files",
        "Where accepted records are kept first: `files`, `direct` (without disk: in the database) or `memory` (tests).",
    )
    SYSTEMLOG_JOURNAL_MAX_BYTES: int = variable(
        at_least(2**20),
        str(2**30),
        "Maximum size of the journal in bytes. As it fills, levels are refused one after another, DEBUG first.",
    )
    SYSTEMLOG_RETENTION: str = variable(
        retention_span,
        "",
        "How long `manage.py prune_system_logs` (run it daily) keeps records: `30d`, `12w`, `7y`. Default: for ever.",
    )
    SYSTEMLOG_LANDER: str = variable(
        one_of("thread", "process"),
        "thread",
        "Where the lander runs: in a `thread` of a server, or in its own `process` (`manage.py land_system_logs`).",
    )
    SYSTEMLOG_JOURNAL_DIR: Path | None = variable(
        optional_folder,
        "",
        "Directory of the journal, on a local disk. Default: `journal` in `VAR_DIR`.",
    )
    SYSTEMLOG_DIGEST_KEY: str = variable(
        text,
        "",
        "File of the key that signs a digest of each hour of the log (`manage.py create_digest_key FILE`), or the "
        "dotted path of a callable that signs: see docs/digests.md. Default: no digests.",
    )
    SYSTEMLOG_DIGEST_DIR: Path | None = variable(
        optional_folder, "", "Directory that gets every digest too. Default: `digests` in `VAR_DIR`."
    )
    SYSTEMLOG_INGEST: list[str] = variable(
        protocols,
        "",
        "Protocols that are accepted besides the log API, separated by commas: `otlp`, `elastic`, `loki`, `journald`; "
        "`none` for none. Default: all.",
    )
    SYSTEMLOG_CITUS: bool = variable(
        switch,
        "off",
        "The log's database is the coordinator of a Citus cluster, and the log is distributed over the cluster.",
    )
    REMEMBER_TOKENS: bool = variable(
        switch,
        "on",
        "Ask the database for a token every three seconds only. While the database is down, accept bulks from tokens "
        "that were valid in the last five minutes and have not been refused since.",
    )
    HEALTH_TOKEN: str = variable(
        text,
        "",
        "Bearer token (16 characters or more) that shows details of the probes, and metrics if restricted.",
    )
    METRICS_RESTRICTED: bool = variable(
        switch, "off", "Only clients with `HEALTH_TOKEN`, or a session that may see details, get the metrics."
    )
    DRAIN_SECONDS: int = variable(
        at_least(0), "0", "Seconds for which the server goes on after SIGTERM, while readiness answers 503."
    )
    VERSION: str = variable(text, "", "Version of the deployment, shown to clients that may see details of the probes.")
    WEB_CONCURRENCY: int = variable(
        at_least(1), "2", "Worker processes of `manage.py serve`, unless `--workers` is given."
    )
    LOG_FORMAT: str = variable(
        one_of("json", "ecs"),
        "json",
        "Format of stdout: `json`, or `ecs` (documents of the Elastic Common Schema, for log shippers).",
    )
    LOG_LEVEL: str = variable(level, "INFO", "Lowest level that is written to stdout.")
    DEBUG: bool = variable(switch, "off", "Django's debug mode, for development on your own machine only.")
    ENV_FILE: str = variable(
        text, ".env", "File with further variables. Variables of the environment win. Empty: no file."
    )


def read(given: Mapping[str, str]) -> tuple[Environment, list[Mistake]]:
    """Parse the variables of `given` (such as `os.environ`). Return the configuration and the mistakes."""
    values: dict[str, Any] = {}
    mistakes = []
    for field in dataclasses.fields(Environment):
        reader, default = field.metadata["read"], field.metadata["default"]
        value = given.get(field.name, default)
        if reader is folder and not value:
            value = default  # an empty one would be the project's directory
        try:
            values[field.name] = reader(value)
        except UnusableValueError as error:
            mistakes.append(Mistake(field.name, str(error)))
            values[field.name] = UNUSABLE if reader is database else reader(default)
    return Environment(**values), mistakes


def load() -> tuple[Environment, list[Mistake]]:
    """Return the configuration of this process: from `os.environ`, completed by `ENV_FILE`."""
    name = os.environ.get("ENV_FILE")
    wrong = None
    if name != "":
        file = BASE_DIR / (name or ".env")
        if name and (file.is_dir() or not os.access(file, os.R_OK)):
            wrong = "names a file that cannot be read"
        elif file.exists():  # else `read_env` would log that it does not, before the journal can be found
            try:
                environ.Env.read_env(file)
            except UnicodeDecodeError:
                wrong = "names a file that is not UTF-8"
    variables, mistakes = read(os.environ)
    return variables, mistakes + ([Mistake("ENV_FILE", wrong)] if wrong else [])
