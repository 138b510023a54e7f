"""The ASGI application."""

import os

import django

from ops_platform.handlers import UTF8ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")
django.setup(set_prefix=False)

application = UTF8ASGIHandler()
