"""The probes that come with the app.

A probe is a callable without arguments. It returns None when all is well, returns a text to warn, and raises to fail.
A class is instantiated once with its OPTIONS, and called for each run.
"""

from health.probes.adapter import DjangoHealthCheck
from health.probes.cache import Cache
from health.probes.database import Database
from health.probes.disk import DiskSpace
from health.probes.migrations import Migrations

__all__ = ["Cache", "Database", "DiskSpace", "DjangoHealthCheck", "Migrations"]
