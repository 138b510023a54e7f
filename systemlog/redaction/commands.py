"""Matchers of secrets in command lines, in SQL statements and their parameters, and after `password is`.

Each function takes the text and the span of a hit. It returns the span of the secret, or None if there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from systemlog.redaction import keys
from systemlog.redaction.judging import is_harmless, looks_secret
from systemlog.redaction.pairs import Span, value_at
from systemlog.redaction.quoted import end_of_bracketed

MAX_BYTES_BEFORE = 400
"""The number of bytes before the parameters of a statement in which its columns are searched for."""

STATEMENT_CHARACTERS = 4000

_WORDS_BETWEEN = rb"(?:[^ \t\r\n|;&]{1,80}[ \t]+){0,8}?"
_VALUE = rb"\\*[\"']?([^ \t\r\n\"'\\]+)"
_NAMED = rb"\\*[\"']?[^: \t\r\n\"'\\]{1,80}:([^ \t\r\n\"'\\]+)"
_OPTIONS = {
    "mysql": rb"-p" + _VALUE,
    "mariadb": rb"-p" + _VALUE,
    "sshpass": rb"-p ?" + _VALUE,
    "redis-cli": rb"(?:-a|--pass) " + _VALUE,
    "curl": rb"(?:-u ?|-U ?|--(?:proxy-)?user[ =])" + _NAMED,
    "smbclient": rb"-U ?\\*[\"']?[^% \t\r\n\"']{1,80}%([^ \t\r\n\"'\\]+)",
    "ldap": rb"-w ?" + _VALUE,
    "docker": rb"-p ?" + _VALUE,
    "helm": rb"-p ?" + _VALUE,
    "oc": rb"-p ?" + _VALUE,
    "podman": rb"-p ?" + _VALUE,
    "openssl": rb"-pass(?:in|out)? \\*[\"']?pass:([^ \t\r\n\"'\\]+)",
    "sqlcmd": rb"-P ?" + _VALUE,
    "mongo": rb"-p ?" + _VALUE,
}
"""By the beginning of a command's name, the pattern of its option for a password."""

_COMMAND = re.compile(
    rb"(?:mysql|mariadb)(?:-?(?:admin|dump|import|sh))?|sshpass|redis-cli|curl|smbclient|ldap(?:add|modify|passwd|search)"
    rb"|docker|helm|oc|podman|openssl|sqlcmd|mongo(?:sh|dump)?"
)

_WITH_LOGIN = (b"docker", b"helm", b"oc", b"podman")
"""Commands that take a password for `login` only."""

MAX_WORDS_BEFORE = 12
"""The number of arguments among which the command's name is looked for, as in `sudo -u root mysql -p…`."""

MAX_WORDS = 60
MAX_BYTES_OF_JWK = 4000

_ONE_WORD = bytes.maketrans(b" \t\r\n\"'\\|;&", b"__________")
"""Makes one word of an argument, without changing its length."""

_FIRST_WORD = re.compile(rb"([^\"'\\]{1,80})\\*[\"']")
_NEXT_WORD = re.compile(rb"(?:[ \t\r\n]|\\+[nrt]){0,20},(?:[ \t\r\n]|\\+[nrt]){0,20}\\*[\"']([^\"'\\]{0,400})\\*[\"']")
_PRIVATE_MEMBER = re.compile(rb"[\"'](?:k|d|p|q|dp|dq|qi)\\*[\"'] {0,4}: {0,4}\\*[\"']([A-Za-z0-9_=-]{1,2000})")

_COMMANDS = {name.encode(): re.compile(_WORDS_BETWEEN + option) for name, option in _OPTIONS.items()}

_SPACE = rb"(?:[ \t\r\n]|\\+[nrt])+"
_NETRC = re.compile(
    rb"[^ \t\r\n\\]+"
    + _SPACE
    + rb"(?:account"
    + _SPACE
    + rb"[^ \t\r\n\\]+"
    + _SPACE
    + rb")?password"
    + _SPACE
    + rb"([^ \t\r\n\\]+)"
)
_ACCOUNT = re.compile(rb"[^=\r\n;]{1,80}= *")
_QUOTED = re.compile(rb"\\*[\"']")

_SENSITIVE = rf"(?i:(?:(?:{keys.KEYS})|(?:^|[^A-Za-z])(?:{'|'.join(keys.WORDS)})){keys.BEHIND})".encode()
_COLUMN = re.compile(_SENSITIVE + rb"[\"'`\\\]]*\s*\Z")
_INSERT = re.compile(rb"[^()\r\n;]{1,100}\(([^()]{1,800})\)\s*(?i:values)\s*\(")
_LITERAL = re.compile(rb"\s*(?:'((?:[^']|'')*+)'|([^,()']++))\s*,?")
_PLACED = re.compile(
    _SENSITIVE + rb"[\"'`\\\]]*\s*(?:=|(?i:in)\s*\()\s*(?:%s|%\(|\?|\$[0-9]|:[a-z]|\\*')"
    rb"|(?i:insert +into)[^()]{1,100}\([^()]*?" + _SENSITIVE + rb"[\"'`\\\]]*\s*[,)][^()]*\)?\s*(?i:values)"
)  # fmt: skip
_NUMBERED = re.compile(rb"[^\r\n]+")
_TOLD = re.compile(rb"([^ \t\r\n\"'\\<>(){}\[\]]{6,400})(?![^ \t\r\n\"'\\<>(){}\[\]])")


def command(data: bytes, start: int, end: int) -> Span | None:
    """Match the password in an option of a command line."""
    name = data[start:end]
    for beginning, pattern in _COMMANDS.items():
        if name.startswith(beginning):
            found = pattern.match(data, end)
            return found.span(1) if found and not is_harmless(found[1], b"") else None
    return None


def password_argument(words: Sequence[bytes]) -> tuple[int, Span] | None:
    """Return the index of the argument of a command that holds a password, and the span in it; None if none does."""
    for number, word in enumerate(words[:MAX_WORDS_BEFORE]):
        name = word.rpartition(b"/")[2]
        if _COMMAND.fullmatch(name) and (found := _of_command(name, words, number + 1)):
            return found
    return None


def _of_command(name: bytes, words: Sequence[bytes], first: int) -> tuple[int, Span] | None:
    if name in _WITH_LOGIN:
        if b"login" not in words[first : first + 2]:
            return None
        first = words.index(b"login", first) + 1
    rest = [each.translate(_ONE_WORD) for each in words[first:]]
    pattern = next(pattern for beginning, pattern in _COMMANDS.items() if name.startswith(beginning))
    found = pattern.match(b" ".join(rest))
    if found is None or is_harmless(found[1], b""):
        return None
    start, end = found.span(1)
    for place, each in enumerate(rest, start=first):
        if start < len(each):
            return place, (start, min(end, len(each)))
        start, end = start - len(each) - 1, end - len(each) - 1
    return None


def arguments(data: bytes, start: int, end: int) -> Span | None:
    """Match the password among the arguments of a command that are written as a list: `['mysql', '-p…']`."""
    words: list[re.Match[bytes]] = []
    word = _FIRST_WORD.match(data, start)
    # A further command is another hit, so that no argument is read for two of them.
    while word and len(words) < MAX_WORDS and not (words and _COMMAND.fullmatch(word[1])):
        words.append(word)
        word = _NEXT_WORD.match(data, word.end())
    found = _of_command(words[0][1], [each[1] for each in words], 1) if words else None
    if found is None:
        return None
    place, span = found
    begin = words[place].start(1)
    return begin + span[0], begin + span[1]


def jwk(data: bytes, start: int, end: int) -> Span | None:
    """Match the private members of a JSON Web Key, from the first one to the last one.

    Only the members between two `kty` are searched for each of them, so that a text of hits takes linear time.
    """
    first, last = max(start - MAX_BYTES_OF_JWK, 0), end + MAX_BYTES_OF_JWK
    begin = max(data.rfind(b"{", first, start), data.rfind(b"kty", first, start))
    ends = [at for sign in (b"}", b"kty") if (at := data.find(sign, end, last)) >= 0]
    members = _PRIVATE_MEMBER.finditer(data, begin if begin >= 0 else start, min([*ends, last]))
    found = [match.span(1) for match in members]
    return (found[0][0], found[-1][1]) if found else None


def netrc(data: bytes, start: int, end: int) -> Span | None:
    """Match the password of a host in a `.netrc` file."""
    found = _NETRC.match(data, end)
    return found.span(1) if found else None


def sql(data: bytes, start: int, end: int) -> Span | None:
    """Match the password after `IDENTIFIED BY`, quoted or not."""
    if data[start : start + 3].lower() == b"set":
        account = _ACCOUNT.match(data, end)
        return value_at(data, start, end, account.end()) if account else None
    if _QUOTED.match(data, end):
        return value_at(data, start, end, end)
    word = _TOLD.match(data, end)
    return word.span(1) if word and looks_secret(word[1]) else None


def insert(data: bytes, start: int, end: int) -> Span | None:
    """Match the values of an INSERT from that of the first sensitive column to that of the last one."""
    found = _INSERT.match(data, end)
    if found is None:
        return None
    sensitive = [number for number, name in enumerate(found[1].split(b",")) if _COLUMN.search(name)]
    if not sensitive:
        return None
    literals: list[re.Match[bytes]] = []
    position = found.end()
    while len(literals) <= sensitive[-1] and (literal := _LITERAL.match(data, position)):
        literals.append(literal)
        position = literal.end()
    if len(literals) <= sensitive[-1]:
        return None
    first, last = literals[sensitive[0]], literals[sensitive[-1]]
    begin, stop = first.span(first.lastindex or 0)[0], last.span(last.lastindex or 0)[1]
    return (
        None if is_harmless(data[begin:stop], b"", plain=True) or data[begin:stop].startswith(b"%s") else (begin, stop)
    )


def parameters(data: bytes, start: int, end: int) -> Span | None:
    """Match all parameters of a statement in which a sensitive column has a placeholder."""
    if not _PLACED.search(data, max(start - MAX_BYTES_BEFORE, 0), start):
        return None
    if data[end - 1 : end] == b"=":
        rest = _NUMBERED.match(data, end)
        return rest.span() if rest else None
    last = end_of_bracketed(data, end)
    return None if data.startswith(b"[redacted]", end) or last - end < 2 else (end, max(last - 1, end))


def has_place(statement: str) -> bool:
    """Return whether a sensitive column of a statement has a placeholder."""
    return _PLACED.search(statement[:STATEMENT_CHARACTERS].encode("utf-8", "surrogatepass")) is not None


def sentence(data: bytes, start: int, end: int) -> Span | None:
    """Match the password in a sentence: `password is …`, `password '…'`."""
    if data[end - 1 : end] in b"\"'":
        if not data[start : start + 4].lower().startswith(b"pass"):
            return None
        quote = end - 1
        while data[quote - 1 : quote] in (b"\\", b"E", b"e", b"N", b"n"):
            quote -= 1
        span = value_at(data, start, quote, quote)
        return span if span and b" " not in data[slice(*span)] else None
    found = _TOLD.match(data, end)
    if found is None or not looks_secret(value := found[1].rstrip(b".,;:!?)")):
        return None
    return (end, end + len(value)) if any(48 <= byte < 58 for byte in value) and not value.isdigit() else None
