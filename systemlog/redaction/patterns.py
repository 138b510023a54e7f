"""How secrets look: one pattern with a named group for each kind, for RE2 and for `re` alike.

The pattern reads UTF-8 bytes, plain or serialised as JSON any number of times: what hits a text also hits its
serialised form, where a newline is `\\n` and a slash may be `\\/`. It only nominates; `spans` decides what goes.
No look-around (RE2 has none), and nothing fails after a long run, so that a backtracking engine stays linear too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from systemlog.redaction import issued

try:
    import re2
except ImportError:  # no wheel for musl (Alpine), macOS or Windows
    re2 = None


class Found(Protocol):
    """What `re` and RE2 both give for a hit."""

    def start(self) -> int:
        """Where it begins."""


class Search(Protocol):
    """Finds a pattern's hits, as `re` and RE2 both do."""

    def __call__(self, data: bytes, pos: int = 0, /) -> Found | None:
        """The leftmost hit at or behind `pos`."""


Scan = Callable[[bytes], object]
"""Whether a text of at most `SHORT_BYTES` is hit, by the truth of what it gives. RE2 is three times as fast so, since
Python wraps its search. It reads on behind a hit, and a long hostile text can make that slow."""

SHORT_BYTES = 4096


class Engine(NamedTuple):
    """What `re` or RE2 makes of a pattern."""

    search: Search
    scan: Scan


Compile = Callable[[bytes], Engine]

KEYS = "|".join(
    (
        r"pass(?:word|wd|phrase|code)s?",
        r"secrets?",
        r"token",
        r"(?:access|api|auth|bearer|refresh)[_ -]?tokens",  # bare `tokens` counts the words of a language model
        r"authori[sz]ation",
        r"cookies?",
        r"credentials?",
        r"(?:access|account|api|encryption|master|private|secret|shared|signing)[_ .-]?keys?",
        r"sess(?:ion)?[_-]?(?:id|key)",
        r"csrf",
        r"xsrf",
        r"signature",
    )
)
"""Names so telling that a key is sensitive if it ends in one: `csrfmiddlewaretoken`, `DB_PASSWORD`, `x-api-key`."""

WORDS = ("pass", "pwd", "auth", "jwt", "otp", "cvv", "cvc")
"""Names that end other words as well (`compass`): sensitive as the last word of a key (`db_pass`, `userPwd`)."""

_ESCAPED = r"\\[bfnrt]|\\u[0-9A-Fa-f]{4}"
_BEFORE_WORD = rf"(?:^|[^A-Za-z]|{_ESCAPED})"
_BEFORE_NUMBER = rf"(?:^|[^0-9A-Za-z.]|{_ESCAPED})"
_BEHIND_KEY = (
    r"(?i:[_-]?(?:again|confirm(?:ation)?|hash|repeat|value))?[0-9]{0,2}"
    r"(?:\\[nrt]|[ \t\r\n\"'\]\\])*"
    r"(?:[:=]|%3[ADad]|\\u003[ADad])>?"
)

_ANYWHERE = "|".join(issued.ANYWHERE)
_AS_A_WORD = "|".join(issued.AS_A_WORD)
_BEFORE_ISSUED = rf"(?:^|[^0-9A-Za-z]|{_ESCAPED}|%[0-9A-Fa-f]{{2}})"

_KINDS = (
    r"(?P<private_key>-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY)",
    rf"(?P<issued>{_ANYWHERE})",
    rf"{_BEFORE_ISSUED}(?P<issued_word>{_AS_A_WORD})",
    r"(?P<jwt>eyJ[A-Za-z0-9_.-]{15,})",
    r"(?P<url>:\\*/\\*/[^ \t\r\n/:@\"'<>]*:[^ \t\r\n/\"'<>]+@)",
    r"(?P<bearer>(?i:bearer) +[A-Za-z0-9._~+/\\-]{8,}=*)",
    r"(?P<basic>(?i:basic) +[A-Za-z0-9+/\\_-]{4,}=*)",
    rf"{_BEFORE_NUMBER}(?P<card>[2-6][0-9]{{13,18}}"
    r"|[2-6][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}"
    r"|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5})",
)

_BY_FORM = 5
"""So many of the first kinds are a secret wherever they stand."""

_ESCAPED_LETTER = r"(?P<escape>\\u00(?:0[9ADad]|[2-7][0-9A-Fa-f]))"
"""A letter spelled as \\u0041 inside a JSON string: only reading that JSON shows what is there."""


def build_pattern(more_keys: Iterable[str] = (), *, escapes: bool = True) -> bytes:
    """The one pattern over all kinds; `more_keys` are names of the project's own, judged as words.

    Without `escapes`, a letter that JSON escapes is no hit.
    """
    words = [re.escape(word.encode()) for word in WORDS]
    words += [rb"[_. -]?".join(re.escape(part.encode()) for part in _parts(name)) for name in more_keys if _parts(name)]
    humps = [word[:1].upper() + word[1:] for word in words if word[:1].islower()]
    keys = (
        rf"(?i:{KEYS})".encode()
        + rb"|" + _BEFORE_WORD.encode() + rb"(?i:" + rb"|".join(words) + rb")"
        + rb"|[a-z](?:" + rb"|".join(humps) + rb")"
    )  # fmt: skip
    pair = rb"(?P<pair>(?:" + keys + rb")" + _BEHIND_KEY.encode() + rb")"
    kinds = (*_KINDS, _ESCAPED_LETTER) if escapes else _KINDS
    return b"|".join([*(kind.encode() for kind in kinds), pair])


def build_issued_pattern() -> bytes:
    """The pattern over what is a secret by its form alone, for short texts in which a key or a number tells nothing."""
    return "|".join(_KINDS[:_BY_FORM]).encode()


def without_groups(pattern: bytes) -> bytes:
    """The same pattern for a search: which group hit costs RE2 50 ns a byte, where it begins nearly nothing."""
    return re.sub(rb"\(\?P<\w+>", b"(?:", pattern)


def compile_re2(pattern: bytes) -> Engine:
    """For RE2, over bytes: 1-2 µs for a line, linear whatever the input."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    search = re2.compile(pattern, options).search
    alone = re2.Set.SearchSet(options)
    try:
        alone.Add(pattern)
        alone.Compile()
    except re2.error:  # thousands of keys are too many for it
        return Engine(search, search)
    # Past Python's part of it, where it is there to be passed: that only asks whether the text is bytes.
    return Engine(search, getattr(alone, "_set", alone).Match)


def compile_re(pattern: bytes) -> Engine:
    """For the standard `re`: the same hits, many times slower."""
    search = re.compile(pattern).search
    return Engine(search, search)


compile_fastest: Compile = compile_re if re2 is None else compile_re2


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[_. -]+", name) if part]
