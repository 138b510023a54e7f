"""The failing site for real servers: `tests.problems.server:wsgi` for gunicorn, `:asgi` for uvicorn."""

from __future__ import annotations

from django.conf import settings

settings.configure(
    SECRET_KEY="only-for-tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="tests.problems.urls",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "rest_framework",
        "systemlog",
    ],
    MIDDLEWARE=["systemlog.correlation.CorrelationMiddleware", "systemlog.problems.ProblemMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=100_000,
    REST_FRAMEWORK={
        "EXCEPTION_HANDLER": "systemlog.problems.exception_handler",
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "systemlog.problems.ContentNegotiation",
        "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    },
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(levelname)s %(name)s [%(correlation_id)s] %(message)s"}},
        "filters": {"correlation": {"()": "systemlog.correlation.CorrelationFilter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["correlation"]}},
        "root": {"handlers": ["console"], "level": "INFO"},
    },
)

from django.core.asgi import get_asgi_application  # noqa: E402  (after the settings)
from django.core.wsgi import get_wsgi_application  # noqa: E402  (after the settings)

wsgi = get_wsgi_application()
asgi = get_asgi_application()
