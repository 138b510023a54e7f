"""The problem types that every process has: one for each way in which Django, DRF and the database say no.

Texts are those of Django's and DRF's catalogues where these have one, so that they come translated.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from systemlog.problems.exceptions import ProblemException
from systemlog.problems.registry import VALIDATION_FAILED, ProblemType

RETRY_AFTER_S = 5
"""How long a client is asked to wait for a database that does not answer: longer than a failover's first retries."""


class BadRequest(ProblemException):
    """The request is not one that this server can answer: the host, a cookie, the number of fields or another part of
    it is not as it should be. Sending the same request again will not help.
    """

    status_code = 400
    default_detail = _("Malformed request.")


class MalformedBody(ProblemException):
    """The request body is not what its `Content-Type` says: it is no JSON, nested too deeply, not in the encoding that
    it names, or no well-formed form. Nothing of it was taken.
    """

    status_code = 400
    default_detail = _("Malformed request.")


class IncompleteBody(ProblemException):
    """The connection ended, or the framing of the request broke, before the whole body had arrived. Nothing of it was
    taken; send the request again.
    """

    status_code = 400
    title = "Incomplete request body"
    default_detail = "The request body broke off before its end."


class ValidationFailed(ProblemException):
    """The request body was understood, and something in it is not allowed. Each entry of `errors` has the place as a
    JSON Pointer in `pointer`, a `code` for programs and a `detail` for people. `errors_omitted`, if it is there, counts
    the errors beyond those listed.
    """

    slug = VALIDATION_FAILED
    title = "Validation failed"
    status_code = 400
    default_detail = _("Invalid input.")


class NotAuthenticated(ProblemException):
    """The operation is not open to everybody, and the request does not say who is asking. `WWW-Authenticate` names the
    ways to do so.
    """

    status_code = 401
    default_detail = _("Authentication credentials were not provided.")


class AuthenticationFailed(ProblemException):
    """The request says who is asking, but the token, the password or the session is not, or no longer, valid."""

    status_code = 401
    default_detail = _("Incorrect authentication credentials.")


class PermissionDenied(ProblemException):
    """Whoever is asking may not do this. Other credentials may be allowed to."""

    status_code = 403
    title = _("Forbidden")
    default_detail = _("You do not have permission to perform this action.")


class CsrfFailed(ProblemException):
    """A request that changes something came with a session cookie, but without the proof that it was sent from this
    site's own pages. Send the CSRF token in the `X-CSRFToken` header, or use a token in place of the session.
    """

    status_code = 403
    title = "CSRF verification failed"
    default_detail = _("CSRF verification failed. Request aborted.")


class NotFound(ProblemException):
    """There is nothing at this path, or nothing that whoever is asking may know of."""

    status_code = 404
    title = "Not found"
    default_detail = _("Not found.")


class MethodNotAllowed(ProblemException):
    """There is something at this path, but not for this method. `Allow` lists the methods that it takes."""

    status_code = 405
    default_detail = "This method is not allowed here."


class NotAcceptable(ProblemException):
    """The operation has no representation that `Accept` asks for."""

    status_code = 406
    default_detail = _("Could not satisfy the request Accept header.")


class Conflict(ProblemException):
    """The request contradicts what is stored: a value that must be unique is taken, or something that it refers to does
    not exist, or no longer.
    """

    status_code = 409
    default_detail = "The request contradicts what is stored."


class StillReferenced(ProblemException):
    """What should be deleted is still referred to. Delete or change what refers to it first."""

    status_code = 409
    default_detail = "This cannot be deleted as long as something else refers to it."


class ContentTooLarge(ProblemException):
    """The request body is larger than the server takes."""

    status_code = 413
    default_detail = "The request body is larger than the server takes."


class UnsupportedMediaType(ProblemException):
    """The `Content-Type` or `Content-Encoding` of the request body is none that the operation takes."""

    status_code = 415
    default_detail = "The operation does not take bodies of this media type."


class TooManyRequests(ProblemException):
    """Whoever is asking has asked too often. `Retry-After` says after how many seconds to ask again."""

    status_code = 429
    default_detail = _("Request was throttled.")


class InternalError(ProblemException):
    """The server failed. The log has the reason under the `correlation_id` of the answer: name it in a report."""

    status_code = 500
    default_detail = _("A server error occurred.")


class Unavailable(ProblemException):
    """Something that the server needs, such as its database, does not answer at present. Send the request again after
    the time in `Retry-After`.
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
"""The type of an error of which only the status is known."""


def type_of_status(status: int) -> ProblemType | None:
    """The type that says no more than the status; None stands for `about:blank`."""
    known = OF_STATUS.get(status)
    return known.problem_type if known else None
