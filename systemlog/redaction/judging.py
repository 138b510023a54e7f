"""Decides whether the text after a sensitive key is a secret, or a word of prose, code or configuration."""

from __future__ import annotations

import re

_STATES = frozenset(
    b"%d %r %s a absent accepted active added an and any are attribute bad basic bearer blank blocked bool boolean "
    b"bytes cannot changed char charfield checked closed configured correct created deleted denied deprecated dict "
    b"digest disabled done empty enabled eof error exists expected expired failed failure false fastapi field "
    b"float for forbidden form found from given granted has hidden ignored in incorrect int integer invalid is "
    b"kerberos known ldap length list loaded locked long malformed masked match matched matches mismatch "
    b"mismatched missing model must n/a na never new nil no none not ntlm null oauth oauth2 object of off ok old "
    b"omitted on open optional or ordereddict passed present protected provided read redacted refreshed refused "
    b"rejected removed renewed required reset revoked rotated saml secretstr see set short should skipped sso str "
    b"string succeeded success text the to too true type unavailable unchanged undefined unexpected unknown unset "
    b"updated used valid validated verified was weak were with wrong yes same-origin include omit".split()
)
"""Words that follow `token:` or `password=` in prose and code, and are not secrets."""

_MASK = re.compile(
    rb"(?:[*.#_?-]|\xe2\x80\xa2|\xe2\x97\x8f|[xX]{3,})+|\[[A-Z]{2,10}\]|\$\{[^{}]*\}?"
    rb"|\$\([^()]*\)?|\$[A-Z][A-Z0-9_]*|\{\{?[ A-Za-z_.|!]*\}?\}?|<[A-Za-z_ -]*>?"
    rb"|\[?(?i:filtered|redacted|masked|hidden|secret|removed)\]?|%\([a-z_]+\)[sdr]|%\([a-z_]+|\((?i:none|empty|hidden|null)\)?"
)
"""Matches a masked value, and a placeholder of a template."""

_CODE = re.compile(
    rb"(?!\$)(?:(?:self|request|response|settings|os|config|conf|args|kwargs|form|data|user|cls|env|secrets|django|models|forms|serializers)\.[A-Za-z_]"
    rb"|[a-z_][A-Za-z_.]{2,}[(\[]|[A-Z][A-Za-z]+(?:\.[A-Za-z_]+){0,5}[(\[])"
)
"""Matches an expression in a line of a traceback: `token = read_token(request)`, `cookies = SimpleCookie()`."""

_PATH = re.compile(rb"(?:\.{0,2}|~|[A-Z]:)/(?:[A-Za-z0-9._-]{1,40}/){0,20}[A-Za-z0-9._-]{0,40}")
_PATH_OF_FILE = re.compile(
    rb"/(?:etc|home|mnt|opt|private|root|run|srv|tmp|usr|var)/|.*\.(?:cer|conf|crt|env|json|key|pem|txt|ya?ml)\Z"
)
_REFERENCE = re.compile(rb"[a-z][a-z0-9-]{0,40}/[a-z][a-z0-9-]{0,40}")
_SENTENCE = re.compile(rb"[A-Z][a-z]+(?: [A-Za-z0-9'-]+){2,40}\.?")
_PAGE_TOKEN = re.compile(rb"(?i:(?:\bnext|page|cont(?:inuation)?|sync|cursor|pagination)[_-]?token\Z)")
_COMPLAINT = re.compile(rb"(?i:\b(?:bad|expected|illegal|invalid|unexpected|unknown|unrecognized) token:?\s*\Z)")
_OLD_PWD = re.compile(rb"(?i:\A|[^A-Za-z_-]|old)(?i:pwd)\W*\Z")
_SECRET = re.compile(rb"(?:\A|[^A-Za-z_.-])(?i:secrets?)\W*\Z")
_ISSUED = re.compile(
    rb"(?i:token|signature|cookies?|csrf|xsrf|authori[sz]ation|auth|keys?|session[_-]?id|credentials?|otp|jwt)\W*\Z"
)
_NUMBERED = re.compile(rb"(?i:(?:\A|[^A-Za-z_.-])pass|cookies|tokens|secrets)\W*\Z")
_TYPE = re.compile(rb"(?:Annotated|Any|Dict|List|Literal|Optional|Sequence|Union|dict|list)\[|\w+ ?\| ?None")
_ATTRIBUTE = re.compile(rb"(?:self|cls|request|settings|os\.environ)[.\[][a-zA-Z_]")
_NAME = re.compile(rb"[A-Za-z]+(?:[-_][A-Za-z]+)*")
_ALGORITHM = re.compile(
    rb"(?i:(?:hs|rs|es|ps)(?:256|384|512)|sha-?(?:1|256|384|512)(?:with[a-z]+)?|(?:rsa|hmac)(?:[-_][a-z0-9]+)*"
    rb"|ecdsa[a-z0-9-]*|ed(?:25519|dsa))"
)
_ABOUT_COOKIES = re.compile(
    rb"(?:[0-9]{1,3} )?[a-z]+(?: [a-z]+)*|(?i:samesite|secure|httponly|path|domain|max-age)\b.{0,60}"
)
_GOES_ON = re.compile(rb"(?: [a-z']+){2,}")
_ARGUMENTS = re.compile(rb"[a-z_, *=:]*")
_COUNT = re.compile(rb"[0-9]{1,3}%?")
_OPAQUE = re.compile(rb"[A-Za-z0-9._~+/%=:-]{16,}")
_SHORT_OPAQUE = re.compile(rb"(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{8,15}")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PIN = re.compile(rb"[0-9]{4,12}")
_NO_WORD = re.compile(rb"[0-9!@#$%^&*+=?~|\x80-\xff]")
_SLUG = re.compile(rb"[A-Za-z]{2,}(?:[_-][A-Za-z]{1,})*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]+[0-9]{1,4}|[0-9.:/-]{1,12}")
_MOST = 400
"""The maximum number of bytes of a value that may be harmless. A longer value is a secret."""


def is_harmless(value: bytes, key: bytes, *, plain: bool = False) -> bool:  # noqa: PLR0911  (one for each reason)
    """Return whether `value` is not a secret although it follows `key`, which is the text before it.

    `plain` says that the value stands in prose, without quotes.
    """
    if len(value) > _MOST:
        return False
    value = value.strip()
    if not value or _MASK.fullmatch(value) or _PAGE_TOKEN.search(key.rstrip(b" \t\"'=:>\\")):
        return True
    word = value.rstrip(b".:!?,").lower()
    if word in _STATES:
        return True
    if plain and (_TYPE.match(value) or _ATTRIBUTE.match(value)):
        return True
    if _ALGORITHM.fullmatch(value) or (b"ookie" in key and _ABOUT_COOKIES.fullmatch(value)):
        return True
    if _NUMBERED.search(key) and _COUNT.fullmatch(word):
        return True
    if _OLD_PWD.search(key) and _PATH.fullmatch(value):
        return True
    if _PATH.fullmatch(value) and _PATH_OF_FILE.match(value) and value.startswith((b"/", b"./", b"~")):
        return True
    if _SECRET.search(key) and _REFERENCE.fullmatch(value):
        return True
    return not plain and _SENTENCE.fullmatch(value) is not None


def is_prose(value: bytes, key: bytes, following: bytes) -> bool:
    """Return whether the word after `key` continues a sentence: `Bad token: foo`, `password: This field is …`."""
    if is_complaint(value, key):
        return True
    word = value.rstrip(b".,!?")
    if word.isalpha() and word.istitle() and _GOES_ON.match(following):
        return True
    if len(word) > 24 or not _NAME.fullmatch(word):
        return False
    return (b"-" in word and _SECRET.search(key) is not None) or (
        (len(word) <= 12 or b"-" in word or b"_" in word) and _ISSUED.search(key) is not None
    )


def is_complaint(value: bytes, key: bytes) -> bool:
    """Return whether the text is a parser's message about an unexpected token."""
    return len(value) < 24 and _COMPLAINT.search(key) is not None


def is_call(value: bytes, key: bytes) -> bool:
    """Return whether the value is the parameter list of a function: `signature: (x, y)`."""
    return b"ignature" in key and _ARGUMENTS.fullmatch(value) is not None


def is_code(value: bytes) -> bool:
    """Return whether the value begins a Python expression."""
    return _CODE.match(value) is not None


def looks_secret(value: bytes) -> bool:
    """Return whether a value after a weak sign may be a secret: it is not a word, a name or a short number."""
    value = value.strip(b" \t\"'`,;.")
    if not 4 <= len(value) <= _MOST or b" " in value or is_harmless(value, b"", plain=True):
        return len(value) > _MOST
    if _SLUG.fullmatch(value):
        return value.count(b"-") > 1 and len(value) >= 16
    return _NO_WORD.search(value) is not None or len(value) >= 24


def looks_random(value: bytes) -> bool:
    """Return whether a value is long and mixes digits and letters, as an issued token does."""
    if _SLUG.fullmatch(value) or value.startswith(b"S-1-"):  # a security identifier of Windows
        return False
    return _SHORT_OPAQUE.fullmatch(value) is not None or (
        _OPAQUE.fullmatch(value) is not None and any(48 <= byte < 58 for byte in value) and not value.isdigit()
    )


def is_uuid(value: bytes) -> bool:
    """Return whether the value is a UUID, which is more often an id than a secret."""
    return _UUID.fullmatch(value) is not None


def is_pin(value: bytes) -> bool:
    """Return whether the value has the form of a PIN."""
    return _PIN.fullmatch(value) is not None


def is_weakly_secret(key: bytes, value: bytes) -> bool:
    """Return whether `value` is a secret after a key that has other meanings too."""
    return is_pin(value) if b"pin" in key.lower() else looks_random(value)
