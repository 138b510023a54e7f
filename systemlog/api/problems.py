"""The problem types of the log API, beside those of `systemlog.problems`. `/problems/<slug>` shows their docstrings."""

from __future__ import annotations

from systemlog.problems import ProblemException


class BrokenBody(ProblemException):
    """The body of a request breaks off, is not compressed as its Content-Encoding says, or stops being what its
    Content-Type says. The records that came before that place are stored: the member `accepted` counts them.
    """

    slug = "broken-body"
    title = "The request body is broken"
    status_code = 400
    default_detail = "The request body cannot be read to its end."


class BodyLimitExceeded(ProblemException):
    """The body of a request is larger than the server takes, as it was sent or after decompression. The member
    `accepted` counts the records that were stored nevertheless. Send the rest in smaller pieces.
    """

    slug = "body-too-large"
    title = "The request body is too large"
    status_code = 413
    default_detail = "The request body is larger than the server takes."


class RecordExists(ProblemException):
    """A record with this `id` and `timestamp` is stored already, by another writer or with other values. The stored
    record stays as it is. Repeat a request without changes, or give the new record an `id` of its own.
    """

    slug = "record-exists"
    title = "There is another record of this id"
    status_code = 409
    default_detail = "There is another record of this id and timestamp."


class JournalFull(ProblemException):
    """The server has no room to accept more records: its database has not taken any for a long time, its disk is full,
    or earlier records of this writer fill the share of the room that one writer may use. The member `accepted` counts
    the records of this request that were accepted before. Send the request again later: records with an `id` are
    stored once.
    """

    slug = "journal-full"
    title = "There is no room for more records"
    status_code = 503
    default_detail = "The server has no room to accept more records."


class LogStoreUnavailable(ProblemException):
    """The database of the system log does not answer. The member `accepted` counts the records of this request that
    were stored before. Send the request again later: records with an `id` are stored once.
    """

    slug = "log-store-unavailable"
    title = "The log store is unavailable"
    status_code = 503
    default_detail = "The database of the system log does not answer."
