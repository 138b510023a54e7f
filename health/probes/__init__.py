"""The probes that come with the app.

A probe is any callable without arguments: it returns None when all is well, a text to warn, and raises to fail.
A class is built once with its OPTIONS, and called for each run.
"""

from health.probes.adapter import DjangoHealthCheck
from health.probes.cache import Cache
from health.probes.database import Database
from health.probes.disk import DiskSpace
from health.probes.migrations import Migrations

__all__ = ["Cache", "Database", "DiskSpace", "DjangoHealthCheck", "Migrations"]
