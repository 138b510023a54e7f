"""Settings of the small project. Tests in the process use its middleware, and real servers use all of it."""

from __future__ import annotations

MIDDLEWARE = [
    "systemlog.correlation.CorrelationMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.correlation.site"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SECRET_KEY = "of-the-tests"
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]  # "testserver" is for requests inside the process
USE_TZ = True
SYSTEMLOG = {"ACCESS_LOG": True}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"correlation": {"()": "systemlog.correlation.CorrelationFilter"}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": ["name", "message", "correlation_id", "trace_id", "user_id"],
        }
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "filters": ["correlation"],
            "formatter": "json",
        }
    },
    "root": {"handlers": ["stdout"], "level": "INFO"},
    "loggers": {"django": {"handlers": [], "level": "INFO"}, "httpx": {"level": "WARNING"}},
}
