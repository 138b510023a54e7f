"""The probes that come with the app.

A probe is any callable without arguments: it returns None when all is well, a text to warn, and raises to fail.
A class is built once with its OPTIONS, and called for each run.
"""

from health.probes.database import Database

__all__ = ["Database"]
