"""The base class of the exceptions that this package raises."""

from __future__ import annotations


class SystemLogError(Exception):
    """Any error of systemlog: `except SystemLogError` catches every exception that the package itself defines.

    Many of them are also a built-in exception (`JournalUnusable` is an `OSError`, `BadCursor` a `ValueError`) or, where
    they are the answer to a request, an `APIException` of REST framework.
    """
