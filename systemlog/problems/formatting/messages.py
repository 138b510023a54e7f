"""The texts of a problem: their language, and the removal of values that the client sent.

Messages of REST framework and Django are written for forms, and repeat the user's input. The response may be logged or
shown to somebody else, where the input may be a secret. Such a message is replaced by a text for its error code.
"""

from __future__ import annotations

import functools

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from systemlog.problems.registry import ProblemType

TEXT_OF_CODE = {
    "invalid_choice": "This is none of the values allowed.",
    "does_not_exist": "There is no such object.",
    "no_match": "There is no such object.",
    "incorrect_match": "There is no such object.",
    "incorrect_type": "This is a value of the wrong type.",
    "not_a_list": "This must be a list.",
    "not_a_dict": "This must be an object.",
    "invalid_list": "This must be a list.",
    "invalid_pk_value": "There is no such object.",
    "invalid_extension": "Files with this name are not allowed.",
    "surrogate_characters_not_allowed": "This has characters that no text may have.",
    "null_characters_not_allowed": gettext_noop("Null characters are not allowed."),
}
"""The replacements for messages that always repeat the input or name Python types, by error code."""

ANY_VALUE = gettext_noop("Enter a valid value.")
WRONG_KIND = "This must be an object."
_WRONG_KIND_DRF = "Invalid data. Expected a dictionary, but got {datatype}."

INPUT_PARAMETERS = frozenset({"value", "pk", "input", "extension", "codename", "nulled"})
"""The parameters of Django's messages that contain the user's input."""

MIN_VALUE_CHARS = 4
"""Shorter values are not searched for in messages, because "a" or "12" would be found in harmless ones."""


def safe_message(error: ValidationError) -> str:
    """Return the message of one of Django's validation errors; the text for its code if it would repeat the value."""
    message = str(error.message)
    if not error.params:
        return message
    if any(f"%({name})" in message for name in INPUT_PARAMETERS):
        return TEXT_OF_CODE.get(error.code or "", ANY_VALUE)
    return message % error.params


def safe_detail(detail: str, code: str, value: object, language: str | None) -> str:
    """Return `detail`, or a text in `language` in its place if it repeats `value` or names a Python type."""
    if code in TEXT_OF_CODE:
        return _translate(language or "", TEXT_OF_CODE[code])
    if code == "invalid" and detail.startswith(_wrong_kinds(language)):
        return WRONG_KIND
    return _translate(language or "", ANY_VALUE) if repeats(detail, value) else detail


@functools.cache
def _wrong_kinds(language: str | None) -> tuple[str, ...]:
    """Return the beginning of REST framework's message that names a Python type, in each language it may have."""
    return tuple(_translate(each, _WRONG_KIND_DRF).partition("{")[0] for each in _languages(language))


def repeats(detail: str, value: object) -> bool:
    """Return whether `detail` contains `value`, a text or number, as a word; of a dictionary, one of its values."""
    if isinstance(value, dict):
        return any(repeats(detail, member) for member in value.values() if not isinstance(member, dict))
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    text = str(value).strip()
    if len(text) < MIN_VALUE_CHARS:
        return False
    start = detail.find(text)
    while start >= 0:
        end = start + len(text)
        if not detail[start - 1 : start].isalnum() and not detail[end : end + 1].isalnum():
            return True
        start = detail.find(text, start + 1)
    return False


def is_made_from(detail: str, template: object) -> bool:
    """Return whether `detail` is `template` with its `{placeholder}` filled in, in a language that it may have."""
    return any(_is_filled(detail, _translate(each, template)) for each in _languages(translation.get_language()))


def _languages(in_force: str | None) -> tuple[str, ...]:
    return (in_force or "", settings.LANGUAGE_CODE, "en")


def _is_filled(detail: str, template: str) -> bool:
    before, brace, rest = template.partition("{")
    if not brace:
        return detail == template
    return detail.startswith(before) and detail.endswith(rest.partition("}")[2])


@functools.lru_cache(maxsize=512)
def _translate(language: str, text: object) -> str:
    with translation.override(language or None):
        return gettext(str(text)) if isinstance(text, str) else str(text)


def language_of(request: HttpRequest) -> str | None:
    """Return the language of the response: LocaleMiddleware's choice, else that of Accept-Language; None without i18n.

    Does not use the active language, which may be the one of the thread's last request.
    """
    if not settings.USE_I18N:
        return None
    chosen: str | None = getattr(request, "LANGUAGE_CODE", None)
    if chosen:
        return chosen
    if not request.META.get("HTTP_ACCEPT_LANGUAGE"):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


def translate(text: str) -> str:
    """Return `text` in the active language if a catalogue has it, else unchanged. Unlike gettext, "" stays empty."""
    return gettext(text) if text else text


@functools.cache
def texts_of(problem_type: ProblemType, language: str | None) -> tuple[str, str]:
    """Return the title and detail of a type in `language`. Cached: translating costs more than the rest of a body."""
    with translation.override(language):
        return str(problem_type.title), str(problem_type.detail)
