"""The WSGI application."""

import os

import django

from ops_platform.admission import Admission
from ops_platform.requests import UTF8WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")
django.setup(set_prefix=False)

application = Admission(UTF8WSGIHandler())
