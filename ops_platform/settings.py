"""Django settings of the platform. `ops_platform.environment` has the variables that configure them."""

from __future__ import annotations

from pathlib import Path

from ops_platform import environment, logs
from ops_platform.parsers import DatabaseSettings

ENV, ENVIRONMENT_MISTAKES = environment.load()

DEBUG = ENV.DEBUG
SECRET_KEY = ENV.SECRET_KEY
ALLOWED_HOSTS = ENV.ALLOWED_HOSTS
CSRF_TRUSTED_ORIGINS = ENV.CSRF_TRUSTED_ORIGINS
VAR_DIR = ENV.VAR_DIR

INSTALLED_APPS = [
    "ops_platform.site.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "systemlog",
    "health",
    "ops_platform",
]

MIDDLEWARE = [
    "systemlog.correlation.CorrelationMiddleware",
    "health.middleware.HealthMiddleware",
    "systemlog.problems.ProblemMiddleware",
    "systemlog.limits.LimitMiddleware",
    "ops_platform.content_security.ContentSecurityMiddleware",
    "ops_platform.https.KeepMethodMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "ops_platform.urls"
WSGI_APPLICATION = "ops_platform.wsgi.application"
APPEND_SLASH = False
CSRF_FAILURE_VIEW = "systemlog.problems.views.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# -- databases

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# A server that is gone is noticed within seconds: by the timeout of connecting, or by keepalives. A server that hangs
# is noticed by the timeout of `ops_platform.deadlines`.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 4,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _completed(database: DatabaseSettings) -> DatabaseSettings:
    """Return `database` with the default options of its vendor. Options of its URL win."""
    match database["ENGINE"]:
        case "django.db.backends.sqlite3":
            # Opening a connection costs as much as a page of records. After this time, a replaced file is noticed.
            return {"CONN_MAX_AGE": 5, **database, "OPTIONS": {**SQLITE_OPTIONS, **database.get("OPTIONS", {})}}
        case "django.db.backends.postgresql":
            options = {**POSTGRESQL_OPTIONS, **database.get("OPTIONS", {})}
            return {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, **database, "OPTIONS": options}
    return database


_default = ENV.DATABASE_URL or {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "db.sqlite3")}
DATABASES = {"default": _completed(_default)}
if ENV.LOG_DATABASE_URL:
    DATABASES["logs"] = _completed(ENV.LOG_DATABASE_URL)
elif _default["ENGINE"] == "django.db.backends.sqlite3":
    # An SQLite file has one writer. With a shared file, landing would make transactions of the application fail.
    DATABASES["logs"] = _completed({**_default, "NAME": f"{_default['NAME']}-logs"})
DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- the apps

TRUSTED_PROXIES = [proxy.strip() for proxy in ENV.FORWARDED_ALLOW_IPS.split(",") if proxy.strip()]

SYSTEMLOG = {
    "DATABASE": "logs" if "logs" in DATABASES else "default",
    "CITUS": ENV.SYSTEMLOG_CITUS,
    # Users and groups, because they decide about permissions. Passwords are masked; `token_records` records tokens.
    "AUDIT": {
        "auth.User": {"exclude": ["last_login"]},
        "auth.Group": {},
        "admin.LogEntry": {},
    },
    "JOURNAL": ENV.SYSTEMLOG_JOURNAL,
    "JOURNAL_MAX_BYTES": ENV.SYSTEMLOG_JOURNAL_MAX_BYTES,
    "LANDER": ENV.SYSTEMLOG_LANDER,
    "INGEST": ENV.SYSTEMLOG_INGEST,
    "RETENTION": [{"keep": ENV.SYSTEMLOG_RETENTION}] if ENV.SYSTEMLOG_RETENTION else [],
    "JOURNAL_DIR": str(ENV.SYSTEMLOG_JOURNAL_DIR or VAR_DIR / "journal"),
    "DIGEST_KEY": ENV.SYSTEMLOG_DIGEST_KEY,
    "DIGEST_DIR": str(ENV.SYSTEMLOG_DIGEST_DIR or VAR_DIR / "digests"),
    "CORRELATION_TRUST": ENV.CORRELATION_TRUST,
    "ACCESS_LOG": ENV.ACCESS_LOG,
    "PROBLEM_HTML_PATHS": ["admin:index"],
    "LIMITS": [
        {"name": by, "by": by, "quota": rate[0], "window": rate[1]}
        for by, rate in (("ip", ENV.RATE_LIMIT_IP), ("user", ENV.RATE_LIMIT_USER))
        if rate
    ],
    "LIMITS_STORE": ENV.RATE_LIMIT_STORE,
    "LIMITS_FAIL": ENV.RATE_LIMIT_FAIL,
    "LIMITS_DIR": str(VAR_DIR / "limits"),
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
    "ALERTS_FILE": str(ENV.ALERTS_FILE or ""),
    "ALERT_INTERVAL": ENV.ALERT_INTERVAL,
    "ALERT_LATE": ENV.ALERT_LATE,
    "PUBLIC_URL": ENV.PUBLIC_URL,
}

HEALTH = {
    "PROBES": {
        **{f"database:{name}": {"PROBE": "health.probes.Database", "OPTIONS": {"alias": name}} for name in DATABASES},
        **{
            f"migrations:{name}": {"PROBE": "health.probes.Migrations", "OPTIONS": {"alias": name}}
            for name in DATABASES
        },
        "journal": {"PROBE": "systemlog.probes.journal", "CRITICAL": False},
        "partitions": {"PROBE": "systemlog.probes.partitions_made_ahead", "CRITICAL": False},
        "limits": {"PROBE": "systemlog.probes.limits", "CRITICAL": False},
        "audit": {"PROBE": "systemlog.probes.audit_outbox", "CRITICAL": False},
        "alerts": {"PROBE": "systemlog.probes.alerts", "CRITICAL": False},
        "digests": {"PROBE": "systemlog.probes.digests", "CRITICAL": False},
        "disk": {"PROBE": "health.probes.DiskSpace", "OPTIONS": {"path": str(VAR_DIR)}, "CRITICAL": False},
    },
    "COLLECTORS": [
        "systemlog.probes.collect",
        "systemlog.probes.collect_audit",
        "systemlog.probes.collect_alerts",
        "systemlog.probes.collect_digests",
    ],
    "DRAIN_FILE": str(VAR_DIR / "draining"),
    "DRAIN_SECONDS": ENV.DRAIN_SECONDS,
    "METRICS_RESTRICTED": ENV.METRICS_RESTRICTED,
    "TOKEN": ENV.HEALTH_TOKEN,
    "VERSION": ENV.VERSION,
}

REST_FRAMEWORK = {
    # The first class has a WWW-Authenticate header, so anonymous clients get 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ops_platform.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["systemlog.limits.LimitThrottle"] if SYSTEMLOG["LIMITS"] else [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "systemlog.problems.ContentNegotiation",
    "DEFAULT_SCHEMA_CLASS": "systemlog.problems.schema.AutoSchema",
    "EXCEPTION_HANDLER": "systemlog.problems.exception_handler",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,  # the future default of DRF; the present one warns
}
REMEMBER_TOKENS = ENV.REMEMBER_TOKENS
REST_KNOX = {
    "TOKEN_TTL": None,  # a token lasts until it is revoked, unless `issue_token --expires` says otherwise
    "TOKEN_PREFIX": "opsp_",  # by which redaction and secret scanners recognize a token
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Operations platform",
    "DESCRIPTION": "Read and write the records of the system log. Every error is a problem (RFC 9457), whose `type` "
    "leads to its documentation and whose `correlation_id` finds its request in the log.",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "The server that this document comes from"}],
    "TAGS": [{"name": "system", "description": "The records of the system log"}],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "systemlog.ingest.schema.add_ingest",
    ],
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],  # the schema holds no data
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
}

# -- mail, for alerts

globals().update(ENV.EMAIL_URL)
DEFAULT_FROM_EMAIL = ENV.EMAIL_FROM or "alerts@localhost"

# -- security

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

if ENV.HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = ENV.HSTS_SECONDS
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # This service cannot know whether other hosts of the domain have HTTPS.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# No SECURE_PROXY_SSL_HEADER, with which Django would trust any client. gunicorn takes the scheme from the proxies of
# FORWARDED_ALLOW_IPS only.

# -- the rest

LOGGING = logs.configuration(level=ENV.LOG_LEVEL, debug=DEBUG, form=ENV.LOG_FORMAT)

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ROOT = Path(__file__).parent / "root_files"  # /favicon.ico
