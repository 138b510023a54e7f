"""One pattern with a named group for each kind of secret, for RE2 and for the standard `re`.

The pattern matches UTF-8 bytes, plain or serialised as JSON any number of times: if it matches a text, it also matches
the serialised text, where a newline is `\\n` and a slash may be `\\/`. A hit is only a candidate; `matchers` decides
what is redacted. The pattern has no look-around, which RE2 lacks. No part of it fails after a long run of characters,
so that a backtracking engine takes linear time too.
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
    """A hit of `re` or RE2."""

    def start(self) -> int:
        """Return the position of its first byte."""


class Search(Protocol):
    """The `search` method of a compiled pattern of `re` or RE2."""

    def __call__(self, data: bytes, pos: int = 0, /) -> Found | None:
        """Return the leftmost hit at or after `pos`; None if there is none."""


Scan = Callable[[bytes], object]
"""A function whose result is true if a text of at most `SHORT_BYTES` has a hit. With RE2 it takes a third of the time
of a search, which is wrapped in Python. It reads on after a hit, so that a long hostile text would make it slow."""

SHORT_BYTES = 4096


class Engine(NamedTuple):
    """The functions of a compiled pattern of `re` or RE2."""

    search: Search
    scan: Scan


MAX_MEMORY_BYTES = 32 * 2**20
"""The memory that RE2 may use for the states of a pattern. With its default of 8 MiB it computes states repeatedly."""

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
    rf"{_BEFORE_WORD}(?P<arguments>(?:(?:mysql|mariadb)(?:-?(?:admin|dump|import|sh))?|sshpass|redis-cli|curl|smbclient"
    rf"|ldap(?:add|modify|passwd|search)|docker|helm|oc|podman|openssl|sqlcmd|mongo(?:sh|dump)?)"
    rf"\\*[\"'](?:[ \t\r\n]|\\+[nrt]){{0,20}},(?:[ \t\r\n]|\\+[nrt]){{0,20}}\\*[\"'])",
    r"(?P<jwk>[\"']kty\\*[\"'] {0,4}: {0,4}\\*[\"'](?:EC|OKP|RSA|oct))",
    rf"(?P<netrc>(?:(?i:machine){_SPACE}[^ \t\r\n\\]+|default){_SPACE}(?i:login|user|account){_SPACE})",
    r"(?P<sql>(?i:identified(?: +with +[a-z0-9_'\"]+)? +(?:by|as)|set +password +for) +)",
    r"(?P<insert>(?i:insert +into +))",
    r"(?P<parameters>(?i:args|params|parameters)[\"'\\]* *[=:] *(?:\\*[\"'])?(?:[\[(]|\$1 ?=))",
    r"(?P<option>--(?:[A-Za-z0-9]+-){0,3}(?i:pass(?:word|wd|phrase|code)?|pwd|token|secret|(?:access|api|private|secret)"
    r"[_-]?key|credentials?|cookie|pin|otp)[ \t]+)",
)


def _as_words(words: Sequence[bytes]) -> bytes:
    """Return a pattern of words at the beginning of a key, after a sign in it, or as a word of camel case."""
    return (
        _BEFORE_WORD.encode() + rb"(?:" + keys.in_any_case(*(word.decode() for word in words)).encode() + rb")"
        + rb"|[a-z](?:" + rb"|".join(keys.humps(list(words))) + rb")"
    )  # fmt: skip


_WEAK = _as_words([word.encode() for word in keys.WEAK_WORDS])

_BY_FORM = 8
"""The number of kinds, from the first one, that are secrets without a key."""

_BESIDE = (
    rf"(?:{keys.QUOTE}|\t|\\+t| *\||>|&gt;|\\+u003[Ee]|</|\(\\*[\"']|\r?\n|\\+[rn]|{_COLUMNS}"
    r"|[ \t]+[A-Za-z:]+=\\*[\"'])"
)
"""The text after a key whose value is in the next cell, in an element, or after another name."""

_TOLD = (
    r"(?P<sentence>(?i:pass(?:word|wd|phrase|code)|passwort|token|secret|pin)"
    r"(?: +(?i:is|was|ist|to):? +| +[EeNn]?\\*[\"']))"
)
"""The last alternative, because a sign after the key is stronger evidence."""

_ESCAPED_LETTER = r"(?P<escape>\\u00(?:0[9ADad]|[2-7][0-9A-Fa-f]))"
"""Matches a letter that is escaped as \\u0041 in a JSON string, whose text is known only after decoding the JSON."""


def build_pattern(more_keys: Iterable[str] = (), *, escapes: bool = True) -> bytes:
    """Return the pattern of all kinds. `more_keys` are the project's own names, which match as the last word of a key.

    With `escapes`, a letter that JSON has escaped is a hit too.
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
    """Return a pattern without groups that has hits at the same positions as that of `build_pattern`.

    RE2 takes 50 ns per byte to find out which group matched, and nearly nothing to find where a hit begins.
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
    """Return the pattern of the ends of sensitive keys."""
    words = [re.escape(word.encode()) for word in keys.WORDS]
    for name in more_keys:
        if parts := keys.parts(name):
            words.append(rb"[_. -]?".join(re.escape(part.encode()) for part in parts))
    foreign = "|".join(map(keys.spelled, keys.FOREIGN))
    return rf"{keys.KEYS}|{foreign}|".encode() + _as_words(words)


def build_issued_pattern() -> bytes:
    """Return the pattern of secrets that need no key, for names and ids, where a key or a number means nothing."""
    return "|".join(_KINDS[:_BY_FORM]).encode()


def without_groups(pattern: bytes) -> bytes:
    """Return the pattern with its named groups made non-capturing."""
    return re.sub(rb"\(\?P<\w+>", b"(?:", pattern)


def compile_re2(pattern: bytes) -> Engine:
    """Compile the pattern with RE2: 1 to 2 µs for a line, and linear time for every input."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MAX_MEMORY_BYTES
    search = re2.compile(pattern, options).search
    alone = re2.Set.SearchSet(options)
    try:
        alone.Add(pattern)
        alone.Compile()
    except re2.error:  # thousands of keys are too many for it
        return Engine(search, search)
    # Skips RE2's Python wrapper if possible, which only checks whether the text is bytes.
    return Engine(search, getattr(alone, "_set", alone).Match)


def compile_re(pattern: bytes) -> Engine:
    """Compile the pattern with the standard `re`: the same hits, but many times slower."""
    search = re.compile(pattern).search
    return Engine(search, search)


compile_fastest: Compile = compile_re if re2 is None else compile_re2
