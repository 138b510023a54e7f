"""The settings of the app, with defaults, documentation and rules.

A project sets `SYSTEMLOG = {...}`; keys that it leaves out have the defaults given here. `conf()` returns the values in
force, `problems_with()` the mistakes that the system checks report.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings

from systemlog import compat
from systemlog.records.durations import parse_duration
from systemlog.records.levels import LEVEL_NAMES
from systemlog.settings_dict import Rule, among, at_least, importable, in_force, names, one_of, option, problems_in

NAME = "SYSTEMLOG"
INGEST_PROTOCOLS = ("otlp", "elastic", "loki", "journald")


def a_part(value: float) -> str | None:
    """Rule: the number is above 0, and 1 at most."""
    return None if 0 < value <= 1 else "must be above 0, and 1 at most"


def short_text(value: str) -> str | None:
    """Rule: at most 200 characters, as every short text of a record."""
    return None if len(value) <= 200 else "must have at most 200 characters"


def version_number(value: str) -> str | None:
    """Rule: a version of three numbers."""
    return None if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", value, re.ASCII) else "must be a version such as '8.19.0'"


def limits_store(value: str) -> str | None:
    """Rule: one of the stores of rate limits."""
    fits = value in ("shared", "database") or value.startswith(("redis://", "rediss://", "unix://"))
    return None if fits else "must be 'shared', 'database' or a URL such as 'redis://localhost:6379/0'"


def base_url(value: str) -> str | None:
    """Rule: an http(s) URL or a path from the root. It ends with a slash, because names are appended."""
    from_root = value.startswith("/") and not value.startswith("//")
    if not value.endswith("/") or not (from_root or value.startswith(("https://", "http://"))):
        return "must be a path from the root or an http(s) URL, and end with a slash"
    return None


def public_url(value: str) -> str | None:
    """Rule: empty, or an http(s) URL without query and fragment."""
    fits = not value or re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value, re.ASCII)
    return None if fits else "must be an http(s) URL without query, such as 'https://logs.example.com'"


def span(least_s: int, most_s: int) -> Rule:
    """Return a rule: the text is a duration in this range."""

    def rule(value: str) -> str | None:
        try:
            fits = least_s <= parse_duration(value).total_seconds() <= most_s
        except (ValueError, OverflowError):
            fits = False
        return None if fits else f"must be a duration such as '15s' or '1h', from {least_s} to {most_s} seconds"

    return rule


def log_levels(value: Mapping[Any, Any]) -> str | None:
    """Rule: keys are 4xx statuses, values names of log levels."""
    for status, level in value.items():
        if not isinstance(status, int) or not 400 <= status <= 499:
            return f"has the key {status!r}, which is no 4xx status"
        if level not in LEVEL_NAMES:
            return f"has the level {level!r}, which is none of {', '.join(LEVEL_NAMES)}"
    return None


def audit(value: Mapping[Any, Any]) -> str | None:
    """Rule: keys are `app_label.Model`, values dictionaries of `exclude` and `mask`, each a list of names."""
    for label, options in value.items():
        if not isinstance(label, str) or label.count(".") != 1:
            return f"has the key {label!r}, which is no 'app_label.Model'"
        if not isinstance(options, Mapping):
            return f"has for {label!r} no dictionary: write {{}} for no options"
        for key, given in options.items():
            if key not in ("exclude", "mask"):
                return f"has for {label!r} the option {key!r}, which is none of exclude, mask"
            if not isinstance(given, list | tuple | set | frozenset) or names(given):
                return f"has for {label!r} an option {key!r} that is no list of names"
    return None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `SYSTEMLOG`, with their types and defaults."""

    DATABASE: str = option("default", "Alias of the database that holds `system_logs`.")
    JOURNAL_DIR: str = option(
        "",
        "Directory on a local disk for records that are accepted and not yet stored, private to the service's user. "
        "Default: `journal` in `$STATE_DIRECTORY`, else in the folder `var` of `BASE_DIR`.",
    )
    JOURNAL: str = option(
        "files",
        "Where accepted records go first: `files` (the journal), `direct` (no disk: into the database, outside the "
        "caller's transaction) or `memory` (see `systemlog.testing`; the default in Django's test environment).",
        one_of("files", "direct", "memory"),
    )
    JOURNAL_MAX_BYTES: int = option(
        2**30,
        "Bytes that records may take while they wait: DEBUG is refused from 70 % on, INFO from 80, WARNING from 90, "
        "ERROR from 97.",
        at_least(2**20),
    )
    JOURNAL_WRITER_SHARE: float = option(
        0.25,
        "The part of `JOURNAL_MAX_BYTES` that the records of one writer (`recorded_by`) may take; further bulks of "
        "that writer get 503. All writers together leave the last tenth to the process's own ERROR and CRITICAL.",
        a_part,
    )
    JOURNAL_KEEP_S: float = option(
        900.0,
        "Seconds for which a segment stays on disk after it has landed, so that a database that a restore set back "
        "gets it again.",
        at_least(0),
    )
    LANDER: str = option(
        "thread",
        "Which process moves the journal into the database: `thread` (one of the serving processes) or `process` "
        "(`manage.py land_system_logs` alone).",
        one_of("thread", "process"),
    )
    SOURCE: str = option(
        "", "The `source` of the process's own records: name of the service. Default: the host's name.", short_text
    )
    CITUS: bool = option(
        False, "The log database is the coordinator of a Citus cluster: the migration distributes the log over it."
    )
    PARTITION: str = option(
        "day",
        "Span of one PostgreSQL partition of the present: `day`, `week` or `month`.",
        one_of("day", "week", "month"),
    )
    RETENTION: list[dict[str, Any]] = option(
        list,
        "How long records are kept: a list of policies, of which the first that fits decides. A policy fits by "
        "`category` (names; `audit.*` for all that begin so) and `level`, whichever of the two it has; `keep` is "
        "`3d`, `12w`, `7y` or `forever`; with `archive` records are archived before they go. Records that no policy "
        "fits are kept.",
    )
    ARCHIVE_DIR: str = option("", "Directory that `prune_system_logs` archives to, where a policy says `archive`.")
    ARCHIVE_COMPRESSION: str = option(
        "gzip", "How archives are compressed: `gzip`, or `zstd` (needs the extra `zstd`).", one_of("gzip", "zstd")
    )
    DIGEST_KEY: str = option(
        "",
        "What signs the digests of each hour: a file of `create_digest_key`, which its owner alone can read, or the "
        "dotted path of a callable that takes bytes and returns their Ed25519 signature (a KMS). Without it there are "
        "no digests.",
    )
    DIGEST_PUBLIC_KEY: str = option(
        "", "File of the public key, where `DIGEST_KEY` is a callable, or to verify where there is no private key."
    )
    DIGEST_DIR: str = option(
        "",
        "Directory outside the database that gets every digest too, one for each log. Default: `digests` in "
        "`$STATE_DIRECTORY`, else in the folder `var` of `BASE_DIR`.",
    )
    SEARCH_TIMEOUT_S: float = option(
        1.0, "Seconds that one search may take before it answers with what it has found.", at_least(0.01)
    )
    EXPORT_TIMEOUT_S: float = option(
        600.0, "Seconds that one export may take before it ends with a trailer that says so.", at_least(0.01)
    )
    MAX_BODY_BYTES: int = option(10 * 2**20, "Largest request body of a POST of logs, as sent.", at_least(1024))
    MAX_DECODED_BYTES: int = option(
        100 * 2**20, "Largest request body of a POST of logs, decompressed.", at_least(1024)
    )
    INGEST: Sequence[str] = option(
        INGEST_PROTOCOLS,
        "Protocols whose records `systemlog.ingest.urls` takes: `otlp`, `elastic`, `loki`, `journald`. The paths of "
        "the others answer 404.",
        among(*INGEST_PROTOCOLS),
    )
    ELASTIC_VERSION: str = option(
        "8.19.0",
        "Version of Elasticsearch that `/elastic` says it has: some shippers refuse servers older than they are.",
        version_number,
    )
    REDACT_KEYS: Sequence[str] = option(
        (),
        "Names of further keys whose values are never stored, in addition to passwords, tokens and the like.",
        names,
    )
    AUTHENTICATION_CLASSES: Sequence[str] = option(
        (),
        "Dotted paths of DRF's authentication classes for the log API alone. Default: the project's "
        "`DEFAULT_AUTHENTICATION_CLASSES`.",
        importable,
    )
    AUDIT: dict[str, Any] = option(
        dict,
        'Which models are audited: `{"shop.Order": {"exclude": [...], "mask": [...]}}`. A change of an excluded field '
        "is not recorded; of a masked one it is, without its values. `migrate` puts the setting into force.",
        audit,
    )
    AUDIT_LOGIN_NAMES: bool = option(True, "Whether the record of a failed login has the name that was tried.")
    PROBLEM_BASE_URL: str = option(
        "/problems/", "What the `type` of a problem begins with: where `systemlog.problems.urls` answers.", base_url
    )
    PROBLEM_HTML_PATHS: Sequence[str] = option(
        (),
        "Where a browser gets the project's error pages: paths, or names of URLs, and everything below them. Default: "
        "everywhere but at views of REST framework, and below the first segments of their paths.",
        names,
    )
    PROBLEM_LOG_LEVELS: Mapping[int, str] = option(
        lambda: {401: "WARNING", 403: "WARNING", 429: "WARNING"},
        "Level at which a 4xx of this status is logged; others are not. A 5xx is always logged as ERROR.",
        log_levels,
    )
    PROBLEM_LOG_REPEATS: int = option(
        10,
        "How many 4xx of one status and type for one client (or user) each process logs within a minute; one record "
        "gives the number of the others. In Django's test environment all are logged, unless this is set.",
        at_least(1),
    )
    PROBLEM_MAX_ERRORS: int = option(
        100, "How many entries the `errors` of a problem lists; the others are only counted.", at_least(1)
    )
    VALIDATION_STATUS: int = option(400, "Status of a failed validation of the body: 400 or 422.", one_of(400, 422))
    LIMITS: list[dict[str, Any]] = option(
        list,
        "Rate limits: a list of policies, each with `name`, `by` (`ip`, `user`, or the dotted path of a function that "
        "takes a request and gives a text or None), `quota` and `window` (seconds, or `1m`); and perhaps `burst` (so "
        "many at once; default the quota), `routes` and `exempt` (paths, `*` for anything) and `methods`.",
    )
    LIMITS_STORE: str = option(
        "shared",
        "What counts: `shared` (a file, for the processes of this host), `database` (that of `DATABASE`) or the URL of "
        "a Redis or Valkey server (`redis://…`, needs the extra `redis`).",
        limits_store,
    )
    LIMITS_FAIL: str = option(
        "open",
        "What happens to requests while the store does not answer: `open` lets them in, `closed` answers 503.",
        one_of("open", "closed"),
    )
    LIMITS_DIR: str = option(
        "",
        "Directory on a local disk for the files of the rate limits, private to the service's user. Default: `limits` "
        "in `$STATE_DIRECTORY`, else in the folder `var` of `BASE_DIR`.",
    )
    TRUSTED_PROXIES: list | tuple = option(  # type: ignore[type-arg]  # checked as it is written
        (),
        "The proxies (addresses, networks, `unix` for a Unix socket) whose `X-Forwarded-For` says where a request "
        "came from; with `*`, every peer is a proxy, and the rightmost address counts.",
        names,
    )
    ALERTS: list[dict[str, Any]] = option(list, "The rules of alerts: see docs/alerts.md.")
    ALERT_RECEIVERS: dict[str, Any] = option(dict, "Who is told of alerts, by name: see docs/alerts.md.")
    ALERTS_FILE: str = option(
        "",
        'A JSON file with further rules and receivers: `{"rules": [...], "receivers": {...}}`, read at the start.',
    )
    ALERT_INTERVAL: str = option("15s", "Time between two evaluations of the rules, from `1s`.", span(1, 3600))
    ALERT_LATE: str = option("1h", "How late a record may land and still count in a rule.", span(0, 7 * 86_400))
    PUBLIC_URL: str = option(
        "", "Address of this service for people, such as `https://logs.example.com`. Alerts link to it.", public_url
    )
    CORRELATION_TRUST: str | list | tuple = option(  # type: ignore[type-arg]  # checked as it is written
        "all",
        "From which clients an incoming `X-Request-ID` and trace context are taken: `all`, `none`, or a list of the "
        "proxies (addresses, networks, `unix` for a Unix socket).",
    )
    CORRELATION_SQL_COMMENTS: bool = option(
        False, "Put the correlation id and route into a comment of every SQL statement (sqlcommenter format)."
    )
    ACCESS_LOG: bool = option(False, "Log one record for each request to the logger `systemlog.access`.")
    ACCESS_SLOW_S: float = option(
        1.0,
        "Seconds from which on a request is slow; slow requests and errors get an access record whatever the rules "
        "say.",
    )
    ACCESS_RULES: list[dict[str, Any]] = option(
        list,
        "Which requests get an access record: the first entry that fits decides, by its `sample` (0 to 1). An entry "
        "fits by `route` and `path` (globs), `status` (404 or `4xx`) and `faster_than` (seconds), whichever it has.",
    )


_NOTHING: Mapping[str, Any] = {}
_in_force: tuple[object, Settings] = (_NOTHING, Settings())
"""The dictionary that was read last, and the settings that it means."""

_django_settings = compat.settings_read_before()


def conf() -> Settings:
    """Return the settings in force. Unknown and badly typed keys are ignored here; the system checks report them."""
    global _in_force  # noqa: PLW0603  (built anew only when the dictionary is another one, as in tests)
    given = _django_settings.get(NAME)
    if given is None:
        given = getattr(settings, NAME, _NOTHING)  # Django caches only settings that exist
    if given is not _in_force[0]:
        _in_force = (given, in_force(Settings, given))
    return _in_force[1]


def problems_with(given: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield the mistakes of a `SYSTEMLOG` dictionary: (key, what is wrong, what to do) for each bad key."""
    return problems_in(Settings, given)
