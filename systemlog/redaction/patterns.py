"""How secrets look: one pattern with a named group for each kind, for RE2 and for `re` alike.

The pattern reads UTF-8 bytes, plain or serialised as JSON any number of times: what hits a text also hits its
serialised form, where a newline is `\\n` and a slash may be `\\/`. It only nominates; `spans` decides what goes.
No look-around (RE2 has none), and nothing fails after a long run, so that a backtracking engine stays linear too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from systemlog.redaction import issued, keys

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


MOST_MEMORY = 32 * 2**20
"""Bytes that RE2 may take for the states of a pattern; with its default of 8 MiB it makes states again and again."""

Compile = Callable[[bytes], Engine]

_ESCAPED = r"\\[bfnrt]|\\u[0-9A-Fa-f]{4}"
_BEFORE_WORD = rf"(?:^|[^A-Za-z]|{_ESCAPED})"
_BEFORE_NUMBER = rf"(?:^|[^0-9A-Za-z.]|{_ESCAPED})"

_ANYWHERE = "|".join(issued.ANYWHERE)
_AS_A_WORD = "|".join(issued.AS_A_WORD)
_BEFORE_ISSUED = rf"(?:^|[^0-9A-Za-z]|{_ESCAPED}|%[0-9A-Fa-f]{{2}})"

_SPACE = r"(?:[ \t\r\n]|\\+[nrt])+"
_BETWEEN = r"(?:\\*[ \t]|\\+t|%20|\+)+"
_DIGITS_APART = r"(?: ?[-.] ?| {1,2}|\xc2\xa0|\xe2\x80[\x87\x89\xaf]|\\+u00[Aa]0|\\+u20(?:0[79]|2[Ff])|%20|\+)"
_LINKS = keys.in_any_case(
    *("activate", "activation", "confirm", "confirmation", "invitation", "invite", "magic", "recover", "recovery"),
    *("reset", "unlock", "verification", "verify"),
)
_COLUMNS = r"(?:::[a-z]+)?\)?(?:, *\"?[A-Za-z_]+\"?){0,3}\)=\("

_KINDS = (
    r"(?P<private_key>----[- ]BEGIN[ A-Z0-9]{0,40}PRIVATE KEY)",
    r"(?P<putty>Private-Lines: ?[0-9])",
    rf"(?P<issued>{_ANYWHERE})",
    rf"{_BEFORE_ISSUED}(?P<issued_word>{_AS_A_WORD})",
    r"(?P<jwt>eyJ[A-Za-z0-9_.-]{15,})",
    r"(?P<url>:\\*/\\*/[^ \t\r\n/:@\"'<>]*:[^ \t\r\n/\"'<>]+@)",
    r"(?P<url_user>:\\*/\\*/[A-Za-z0-9_-]{20,}@)",
    r"(?P<url_encoded>%(?:25)*3[Aa]%(?:25)*2[Ff]%(?:25)*2[Ff][^ \t\r\n\"'<>%&]*%(?:25)*3[Aa])",
    r"(?P<encoded>(?:e(?:yAi|wo[gJi]|w0K)|W(?:3si|wog)|LS0tLS1CRUdJTi)[A-Za-z0-9+/_-]{15,})",
    rf"(?P<bearer>(?i:bearer){_BETWEEN}[A-Za-z0-9._~+/\\-]{{8,}}=*)",
    r"(?P<scheme>(?i:token|apikey|negotiate|ntlm|digest) +[A-Za-z0-9+/=._~-]{32,})",
    rf"(?P<basic>(?i:basic){_BETWEEN}[A-Za-z0-9+/\\_-]{{4,}}=*)",
    r"(?:^|[?&; \t\n\"']|%26|\\n|\\u0026)(?:amp;)?(?P<query>(?:code|sig)(?:=|%3[Dd]))",
    rf"(?P<link>(?:{_LINKS})(?i:[_-]?(?:account|code|email|link|login|password|token)){{0,2}}\\*/)",
    rf"{_BEFORE_NUMBER}(?P<card>[2-6][0-9]{{13,18}}"
    rf"|[2-6][0-9]{{3}}(?:{_DIGITS_APART}[0-9]{{4}}){{3}}"
    rf"|3[0-9]{{3}}{_DIGITS_APART}[0-9]{{6}}{_DIGITS_APART}[0-9]{{4,5}})",
    rf"{_BEFORE_WORD}(?P<command>(?:(?:mysql|mariadb)(?:-?(?:admin|dump|import|sh))?|sshpass|redis-cli|curl|smbclient"
    r"|ldap(?:add|modify|passwd|search)|(?:docker|helm|oc|podman)(?: registry)? login"
    r"|openssl|sqlcmd|mongo(?:sh|dump)?)[ \t]+)",
    rf"(?P<netrc>(?:(?i:machine){_SPACE}[^ \t\r\n\\]+|default){_SPACE}(?i:login|user|account){_SPACE})",
    r"(?P<sql>(?i:identified(?: +with +[a-z0-9_'\"]+)? +(?:by|as)|set +password +for) +)",
    r"(?P<insert>(?i:insert +into +))",
    r"(?P<parameters>(?i:args|params|parameters)[\"'\\]* *[=:] *(?:\\*[\"'])?(?:[\[(]|\$1 ?=))",
    r"(?P<option>--(?:[A-Za-z0-9]+-){0,3}(?i:pass(?:word|wd|phrase|code)?|pwd|token|secret|(?:access|api|private|secret)"
    r"[_-]?key|credentials?|cookie|pin|otp)[ \t]+)",
)


def _as_words(words: Sequence[bytes]) -> bytes:
    """A pattern of words that begin a key or stand in it behind a sign or as a hump."""
    return (
        _BEFORE_WORD.encode() + rb"(?:" + keys.in_any_case(*(word.decode() for word in words)).encode() + rb")"
        + rb"|[a-z](?:" + rb"|".join(keys.humps(list(words))) + rb")"
    )  # fmt: skip


_WEAK = _as_words([word.encode() for word in keys.WEAK_WORDS])

_BY_FORM = 8
"""So many of the first kinds are a secret wherever they stand."""

_BESIDE = (
    rf"(?:{keys.QUOTE}|\t|\\+t| *\||>|&gt;|\\+u003[Ee]|</|\(\\*[\"']|\r?\n|\\+[rn]|{_COLUMNS}"
    r"|[ \t]+[A-Za-z:]+=\\*[\"'])"
)
"""What stands behind a key whose value is in the next cell, in an element, or behind the next name."""

_TOLD = (
    r"(?P<told>(?i:pass(?:word|wd|phrase|code)|passwort|token|secret|pin)"
    r"(?: +(?i:is|was|ist|to):? +| +[EeNn]?\\*[\"']))"
)
"""Last, since a sign behind the key says more."""

_ESCAPED_LETTER = r"(?P<escape>\\u00(?:0[9ADad]|[2-7][0-9A-Fa-f]))"
"""A letter spelled as \\u0041 inside a JSON string: only reading that JSON shows what is there."""


def build_pattern(more_keys: Iterable[str] = (), *, escapes: bool = True) -> bytes:
    """The one pattern over all kinds; `more_keys` are names of the project's own, judged as words.

    Without `escapes`, a letter that JSON escapes is no hit.
    """
    named, behind, signed = build_keys(more_keys), keys.BEHIND.encode(), (keys.GAP + keys.SIGN).encode()
    return b"|".join(
        (
            _kinds(escapes),
            rb"(?P<pair>(?:" + named + rb")" + behind + signed + rb")",
            rb"(?P<near>(?:" + named + rb")" + behind + rb")" + _BESIDE.encode(),
            rb"(?P<weak>(?:" + _WEAK + rb")" + behind + signed + rb")",
            _TOLD.encode(),
        )
    )


def build_search(more_keys: Iterable[str] = (), *, escapes: bool = True) -> bytes:
    """A pattern that is found where `build_pattern`'s is, for a search: the keys stand in it once, and no group.

    Which group hit costs RE2 50 ns a byte, where it begins nearly nothing.
    """
    named, behind, signed = build_keys(more_keys), keys.BEHIND.encode(), (keys.GAP + keys.SIGN).encode()
    pattern = b"|".join(
        (
            _kinds(escapes),
            rb"(?:" + named + rb")" + behind + rb"(?:" + signed + rb"|" + _BESIDE.encode() + rb")",
            rb"(?:" + _WEAK + rb")" + behind + signed,
            _TOLD.encode(),
        )
    )
    return without_groups(pattern)


def _kinds(escapes: bool) -> bytes:
    return "|".join((*_KINDS, _ESCAPED_LETTER) if escapes else _KINDS).encode()


def build_keys(more_keys: Iterable[str] = ()) -> bytes:
    """The pattern of what a sensitive key ends in."""
    words = [re.escape(word.encode()) for word in keys.WORDS]
    for name in more_keys:
        if parts := keys.parts(name):
            words.append(rb"[_. -]?".join(re.escape(part.encode()) for part in parts))
    foreign = "|".join(map(keys.spelled, keys.FOREIGN))
    return rf"{keys.KEYS}|{foreign}|".encode() + _as_words(words)


def build_issued_pattern() -> bytes:
    """The pattern over what is a secret by its form alone, for short texts in which a key or a number tells nothing."""
    return "|".join(_KINDS[:_BY_FORM]).encode()


def without_groups(pattern: bytes) -> bytes:
    """The same pattern without names for its parts."""
    return re.sub(rb"\(\?P<\w+>", b"(?:", pattern)


def compile_re2(pattern: bytes) -> Engine:
    """For RE2, over bytes: 1-2 µs for a line, linear whatever the input."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MOST_MEMORY
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
