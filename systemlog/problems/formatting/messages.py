"""What a problem says, in which language, and what it never says: the values that a client sent.

DRF's and Django's messages are made for forms, where the user's own input is repeated. In a log of answers, or on
another screen, the same input may be a secret: such messages are replaced by a text for their code.
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
"""Codes whose messages always repeat the input, or name the types of the program; and what is said in their place."""

ANY_VALUE = gettext_noop("Enter a valid value.")
WRONG_KIND = "This must be an object."
_WRONG_KIND_DRF = "Invalid data. Expected a dictionary, but got {datatype}."

SPEAKING_PARAMETERS = frozenset({"value", "pk", "input", "extension", "codename", "nulled"})
"""Parameters of Django's messages that carry what the user sent."""

SHORTEST_SECRET = 4
"""Shorter values are not looked for in messages: "a" or "12" would be found in harmless ones."""


def safe_message(error: ValidationError) -> str:
    """The message of one of Django's validation errors; a text for its code if it would repeat the value."""
    message = str(error.message)
    if not error.params:
        return message
    if any(f"%({name})" in message for name in SPEAKING_PARAMETERS):
        return TEXT_OF_CODE.get(error.code or "", ANY_VALUE)
    return message % error.params


def safe_detail(detail: str, code: str, value: object, language: str | None) -> str:
    """`detail`, said in `language`, unless it repeats `value` or is a message of DRF's that always does."""
    if code in TEXT_OF_CODE:
        return _in(language or "", TEXT_OF_CODE[code])
    if code == "invalid" and detail.startswith(_wrong_kinds(language)):
        return WRONG_KIND
    return _in(language or "", ANY_VALUE) if repeats(detail, value) else detail


@functools.cache
def _wrong_kinds(language: str | None) -> tuple[str, ...]:
    """What DRF says first when it is about to name a type of the program."""
    return tuple(_in(said, _WRONG_KIND_DRF).partition("{")[0] for said in _languages(language))


def repeats(detail: str, value: object) -> bool:
    """Whether `value` (a text, a number), or that of a member of it, stands in `detail` as a word of its own."""
    if isinstance(value, dict):
        return any(repeats(detail, member) for member in value.values() if not isinstance(member, dict))
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    text = str(value).strip()
    if len(text) < SHORTEST_SECRET:
        return False
    start = detail.find(text)
    while start >= 0:
        end = start + len(text)
        if not detail[start - 1 : start].isalnum() and not detail[end : end + 1].isalnum():
            return True
        start = detail.find(text, start + 1)
    return False


def is_made_from(detail: str, template: object) -> bool:
    """Whether `detail` is DRF's `template` with its `{placeholder}` filled in, in a language that it may have."""
    return any(_is_filled(detail, _in(said, template)) for said in _languages(translation.get_language()))


def _languages(in_force: str | None) -> tuple[str, ...]:
    return (in_force or "", settings.LANGUAGE_CODE, "en")


def _is_filled(detail: str, template: str) -> bool:
    before, brace, rest = template.partition("{")
    if not brace:
        return detail == template
    return detail.startswith(before) and detail.endswith(rest.partition("}")[2])


@functools.lru_cache(maxsize=512)
def _in(language: str, text: object) -> str:
    with translation.override(language or None):
        return gettext(str(text)) if isinstance(text, str) else str(text)


def language_of(request: HttpRequest) -> str | None:
    """The language to answer in: what LocaleMiddleware chose, else what `Accept-Language` asks for; None without i18n.

    The language in force is not asked: it may be the one of the thread's last request.
    """
    if not settings.USE_I18N:
        return None
    chosen: str | None = getattr(request, "LANGUAGE_CODE", None)
    if chosen:
        return chosen
    if not request.META.get("HTTP_ACCEPT_LANGUAGE"):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


def in_language(text: str) -> str:
    """`text` in the language in force, if a catalogue has it as it stands; else itself."""
    return gettext(text) if text else text


@functools.cache
def texts_of(problem_type: ProblemType, language: str | None) -> tuple[str, str]:
    """Title and detail of a type in `language`, once for all: to translate them costs more than the rest of a body."""
    with translation.override(language):
        return str(problem_type.title), str(problem_type.detail)
