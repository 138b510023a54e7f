"""Settings of the platform, all from the environment (or a `.env` file beside manage.py).

The README has the table of variables. What is missing or unsafe in production is named by the system
checks of `ops_platform.checks`, never by a traceback at run time.
"""

from __future__ import annotations

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if env_file := env.str("ENV_FILE", default=str(BASE_DIR / ".env")):
    env.read_env(env_file)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
HTTPS = env.bool("HTTPS", default=False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "systemlog",
    "health",
    "ops_platform",
]

MIDDLEWARE = [
    "systemlog.correlation.CorrelationMiddleware",
    "health.middleware.HealthMiddleware",
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

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}

VAR_DIR = BASE_DIR / "var"
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
LOG_DATABASE_URL = env.str("LOG_DATABASE_URL", default="")
if LOG_DATABASE_URL:
    DATABASES["logs"] = env.db("LOG_DATABASE_URL")
elif DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # One SQLite file has one writer; the log has a file of its own, or its commits fail the application's.
    DATABASES["logs"] = {**DATABASES["default"], "NAME": f"{DATABASES['default']['NAME']}-logs"}
for _database in DATABASES.values():
    if _database["ENGINE"] == "django.db.backends.sqlite3":
        _database["OPTIONS"] = {**SQLITE_OPTIONS, **_database.get("OPTIONS", {})}
DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SYSTEMLOG = {"DATABASE": "logs" if "logs" in DATABASES else "default"}

HEALTH = {"TOKEN": env.str("HEALTH_TOKEN", default=""), "VERSION": env.str("VERSION", default="")}

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
