"""The built-in problem types: one for each kind of error of Django, REST framework and the database.

Where a catalogue of Django or REST framework has a suitable text, that text is used, so that it is translated.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from systemlog.problems.exceptions import ProblemException
from systemlog.problems.registry import VALIDATION_FAILED, ProblemType

RETRY_AFTER_S = 5
"""The Retry-After for a database that does not answer: longer than the first retries of a failover take."""


class BadRequest(ProblemException):
    """The server cannot process the request, because its host, a cookie, the number of its fields or another part is
    invalid. Sending the same request again will not help.
    """

    status_code = 400
    default_detail = _("Malformed request.")


class MalformedBody(ProblemException):
    """The request body does not match its `Content-Type`: it is not JSON or not a well-formed form, it is nested too
    deep, or it is not in the encoding that the header names. No part of the body was processed.
    """

    status_code = 400
    default_detail = _("Malformed request.")


class IncompleteBody(ProblemException):
    """The connection ended, or the framing of the request broke, before the whole body had arrived. No part of the body
    was processed. Send the request again.
    """

    status_code = 400
    title = "Incomplete request body"
    default_detail = "The request body broke off before its end."


class ValidationFailed(ProblemException):
    """The request body is well-formed, but some of its values are invalid. Each entry of `errors` has the place as a
    JSON Pointer in `pointer`, a `code` for programs and a `detail` for people. `errors_omitted`, if present, is the
    number of further errors that are not listed.
    """

    slug = VALIDATION_FAILED
    title = "Validation failed"
    status_code = 400
    default_detail = _("Invalid input.")


class NotAuthenticated(ProblemException):
    """The operation requires authentication, and the request has no credentials. `WWW-Authenticate` names the ways to
    authenticate.
    """

    status_code = 401
    default_detail = _("Authentication credentials were not provided.")


class AuthenticationFailed(ProblemException):
    """The token, the password or the session of the request is not valid, or is no longer valid."""

    status_code = 401
    default_detail = _("Incorrect authentication credentials.")


class PermissionDenied(ProblemException):
    """The authenticated user is not allowed to do this. Another user may be."""

    status_code = 403
    title = _("Forbidden")
    default_detail = _("You do not have permission to perform this action.")


class CsrfFailed(ProblemException):
    """A request that changes data came with a session cookie, but without the proof that a page of this site sent it.
    Send the CSRF token in the `X-CSRFToken` header, or authenticate with a token in place of the session.
    """

    status_code = 403
    title = "CSRF verification failed"
    default_detail = _("CSRF verification failed. Request aborted.")


class NotFound(ProblemException):
    """There is nothing at this path, or nothing that the user is allowed to see."""

    status_code = 404
    title = "Not found"
    default_detail = _("Not found.")


class MethodNotAllowed(ProblemException):
    """This path does not support the method of the request. `Allow` lists the methods that it supports."""

    status_code = 405
    default_detail = "This method is not allowed here."


class NotAcceptable(ProblemException):
    """The operation cannot respond in any of the media types that `Accept` names."""

    status_code = 406
    default_detail = _("Could not satisfy the request Accept header.")


class Conflict(ProblemException):
    """The request conflicts with stored data: a value that must be unique is taken, or an object that the request
    refers to does not exist.
    """

    status_code = 409
    default_detail = "The request contradicts what is stored."


class StillReferenced(ProblemException):
    """The object cannot be deleted, because other objects refer to it. Delete or change those first."""

    status_code = 409
    default_detail = "This cannot be deleted as long as something else refers to it."


class ContentTooLarge(ProblemException):
    """The request body is larger than the server accepts."""

    status_code = 413
    default_detail = "The request body is larger than the server takes."


class UnsupportedMediaType(ProblemException):
    """The operation does not accept the `Content-Type` or the `Content-Encoding` of the request body."""

    status_code = 415
    default_detail = "The operation does not take bodies of this media type."


class TooManyRequests(ProblemException):
    """The client has sent too many requests. `Retry-After` is the number of seconds to wait before the next one.
    `violated-policies`, if it is there, names the limits that were reached.
    """

    status_code = 429
    default_detail = _("Request was throttled.")


class InternalError(ProblemException):
    """The server failed. Its log has the reason under the `correlation_id` of this problem. Quote it in a report."""

    status_code = 500
    default_detail = _("A server error occurred.")


class Unavailable(ProblemException):
    """A service that the server needs, such as its database, does not respond at present. Send the request again after
    the number of seconds in `Retry-After`.
    """

    status_code = 503
    title = "Service unavailable"
    default_detail = "The service is unavailable for the moment."


OF_STATUS: dict[int, type[ProblemException]] = {
    400: BadRequest,
    401: NotAuthenticated,
    403: PermissionDenied,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    413: ContentTooLarge,
    415: UnsupportedMediaType,
    429: TooManyRequests,
    500: InternalError,
    503: Unavailable,
}
"""The problem types of errors of which only the status is known, by status."""


def type_of_status(status: int) -> ProblemType | None:
    """Return the problem type of an error of which only the status is known; None for `about:blank`."""
    known = OF_STATUS.get(status)
    return known.problem_type if known else None
