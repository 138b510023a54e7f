"""Settings of the small project, for the test client and for real servers."""

from __future__ import annotations

MIDDLEWARE = [
    "systemlog.correlation.CorrelationMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
