"""The WSGI application."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")  # before imports that read settings

import django

from ops_platform.admission import Admission
from ops_platform.handlers import UTF8WSGIHandler

django.setup(set_prefix=False)

application = Admission(UTF8WSGIHandler())
