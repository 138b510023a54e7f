"""Secrets and look-alikes, generated from a fixed seed. No secret is real.

Each secret is joined from parts when the tests run, so that the secret scanners of code hosts find
nothing to block.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from tests.redaction.issued_forms import FORMS

_random = random.Random(20240229)
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


class Secret(NamedTuple):
    """A text that contains a secret, and the part that must not remain."""

    kind: str
    text: str
    secret: str


def some(alphabet: str, length: int) -> str:
    """Return random characters; if the alphabet has all kinds, at least a digit and a capital letter are among them."""
    while True:
        text = "".join(_random.choices(alphabet, k=length))
        if len(set(alphabet)) < 60 or (any(map(str.isdigit, text)) and any(map(str.isupper, text))):
            return text


def unpadded(data: bytes) -> str:
    """Return base64 without padding, as in a JWT."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def web_token() -> str:
    """Return a JWT with a random subject and signature."""
    claims = {"sub": some(string.digits, 8), "iss": "https://issuer.example"}
    header = unpadded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    return ".".join((header, unpadded(json.dumps(claims).encode()), unpadded(_random.randbytes(32))))


def luhn_digit(body: str) -> str:
    """Return the check digit for a number that begins with `body`."""
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(body)))
    return str(-total % 10)


def card(prefix: str, length: int, right: bool = True) -> str:
    """Return a card number. Its check digit is correct, or off by one if `right` is False."""
    body = prefix + some(string.digits, length - len(prefix) - 1)
    return body + str((int(luhn_digit(body)) + (not right)) % 10)


def grouped(number: str, separator: str) -> str:
    """Return the number in four groups of four digits, as it is embossed on a card."""
    return separator.join(number[index : index + 4] for index in range(0, 16, 4))


def key_block(kind: str) -> tuple[str, str]:
    """Return a PEM block, and a line from the middle of it."""
    lines = [some(_ALNUM + "+/", 64) for _ in range(4)]
    name = f"{kind} PRIVATE KEY".strip()
    return "\n".join((f"{'-' * 5}BEGIN {name}{'-' * 5}", *lines, f"{'-' * 5}END {name}{'-' * 5}")), lines[2]


ISSUED: dict[str, Callable[[], str]] = {
    "AWS key id": lambda: _random.choice(("AK", "AS")) + "IA" + some(string.ascii_uppercase + "234567", 16),
    "GitHub token": lambda: "gh" + _random.choice("pousr") + "_" + some(_ALNUM, 36),
    "GitHub fine-grained token": lambda: "github" + "_pat_" + some(_ALNUM, 22) + "_" + some(_ALNUM, 59),
    "GitLab token": lambda: "glp" + "at-" + some(_ALNUM, 20),
    "Stripe key": lambda: _random.choice("sr") + "k_" + _random.choice(("live", "test")) + "_" + some(_ALNUM, 24),
    "Stripe webhook secret": lambda: "whs" + "ec_" + some(_ALNUM, 32),
    "Slack token": lambda: f"xo{'x'}{_random.choice('bpas')}-{some(string.digits, 12)}-{some(_ALNUM, 24)}",
    "Slack webhook": lambda: "hooks.slack" + ".com/services/T" + some(string.digits, 9) + "/B" + some(_ALNUM, 32),
    "Google key": lambda: "AI" + "za" + some(_ALNUM, 35),
    "model API key": lambda: "sk" + "-proj-" + some(_ALNUM, 48),
    "JWT": web_token,
    "Visa": lambda: card("4", 16),
    "Visa in groups": lambda: grouped(card("4", 16), _random.choice(" -")),
    "Mastercard": lambda: card("5" + _random.choice("12345"), 16),
    "Amex": lambda: card("37", 15),
    "UnionPay": lambda: card("62", 19),
}


def issue(form: tuple[str | tuple[str, int], ...]) -> str:
    """Return a random token of this form, whose last character is a letter or digit."""
    text = "".join(part if isinstance(part, str) else some(*part) for part in form)
    return text[:-1] + ("0" if text[-1] in "-_" else text[-1])


ISSUED |= {kind: partial(issue, form) for kind, form in FORMS.items()}

AROUND = (
    "{}",
    "rejected credential {} of user 7",
    "first line\n{}\nlast line",
    "see ({}), please",
    '{{"note": "got {} from upstream", "n": 1}}',
    '  File "app.py", line 3, in charge\nValueError: {}',
)

KEYS = (
    "password", "passwd", "db_password", "newPassword2", "password_confirmation", "PASSPHRASE", "userPwd", "DB_PASS",
    "secret", "client_secret", "SECRET_KEY", "token", "access_token", "csrfmiddlewaretoken", "X-CSRFToken",
    "refreshToken",
    "api_key", "x-api-key", "apikey", "ApiKey", "AWS_SECRET_ACCESS_KEY", "private_key", "sessionid", "PHPSESSID",
    "session_key", "credential", "jwt", "otp", "cvv", "signature", "authorization", "cookie",
)  # fmt: skip

PAIRS = (
    "{key}={value}",
    "login with {key}={value}&next=/home failed",
    "connecting, {key}: {value}",
    '{{"{key}": "{value}", "user": "ann"}}',
    'request body: {{"user":"ann","{key}":"{value}"}} refused',
    "parameters {{'user': 'ann', '{key}': '{value}'}}",
    "<QueryDict: {{'{key}': ['{value}'], 'user': ['ann']}}>",
    'payload="{{\\"{key}\\": \\"{value}\\"}}" sent',
    "[user] {key} = '{value}';",
    "options => {key} => {value}",
)


def secrets() -> Iterator[Secret]:
    """Yield a few hundred secrets, of every kind and with every text around them."""
    for kind, make in ISSUED.items():
        for around in AROUND:
            value = make()
            yield Secret(kind, around.format(value), value)
    for index, key in enumerate(KEYS):
        for shape in PAIRS[index % 2 :: 2]:
            value = some(_ALNUM, 14)
            yield Secret(f"pair {key}", shape.format(key=key, value=value), value)
    for kind in ("", "RSA", "EC", "OPENSSH", "ENCRYPTED"):
        block, line = key_block(kind)
        for text in (f"loaded\n{block}\nok", json.dumps({"pem": block}), "cut off: " + block[:250]):
            yield Secret(f"private key {kind}", text, line if line in text else block.splitlines()[1])
    for scheme in ("postgres", "redis", "amqp", "https", "mongodb+srv", "smtp"):
        for value in (some(_ALNUM, 12), "p@" + some(_ALNUM, 9), some(_ALNUM, 5) + "!$%" + some(_ALNUM, 5)):
            yield Secret("URL", f"dial {scheme}://svc:{value}@db.example:5432/x failed", value)
            yield Secret("escaped URL", f'x={{"u":"{scheme}:\\/\\/svc:{value}@db.example"}}', value)
    for header in ("Authorization: {}", "curl -H 'Authorization: {}' https://api.example/", "{}", '["{}"]'):
        for value in (some(_ALNUM, 40), web_token(), str(uuid.UUID(int=_random.getrandbits(128)))):
            yield Secret("bearer", header.format(f"{_random.choice(('Bearer', 'bearer'))} {value}"), value)
        value = base64.b64encode(f"ann:{some(_ALNUM, 9)}".encode()).decode()
        yield Secret("basic", header.format(f"Basic {value}"), value)
    value = some(_ALNUM, 32)
    yield Secret("header", f"Authorization: Token {value}", value)
    yield Secret("header", f"Cookie: theme=dark; sid={value}; lang=en", value)
    yield Secret("header", f'Authorization: Digest username="ann", nonce="1", response="{value}"', value)


def _hexadecimal(length: int) -> str:
    return some(_HEX, length)


LOOKALIKES = {
    "UUID": lambda: f"order {uuid.UUID(int=_random.getrandbits(128))} shipped",
    "UUID of digits": lambda: "-".join(["id=" + card("4", 8)] + [some(string.digits, n) for n in (4, 4, 4, 12)]),
    "MD5": lambda: f"etag {_hexadecimal(32)}",
    "SHA-1 of a commit": lambda: f"deployed commit {_hexadecimal(40)} to eu-1",
    "SHA-256": lambda: f"image@sha256:{_hexadecimal(64)}",
    "trace parent": lambda: f"traceparent 00-{_hexadecimal(32)}-{_hexadecimal(16)}-01",
    "timestamp": lambda: (
        f"2024-0{_random.randint(1, 9)}-1{_random.randint(0, 9)}T12:{_random.randint(10, 59)}:07"
        f".{some(string.digits, 6)}+00:00"
    ),
    "random 64-bit number": lambda: f"trace {_random.choice(('blk_', 'blk_-', ''))}{card('4', 19)}",
    "epoch in ms": lambda: f"expires 17{some(string.digits, 11)}",
    "epoch in ns": lambda: f"at 17{some(string.digits, 17)}",
    "order number": lambda: f"order {card('4', 16, right=False)} paid",
    "grouped number": lambda: f"invoice {grouped(card('5' + _random.choice('12345'), 16, right=False), ' ')}",
    "number of another range": lambda: f"account {card('9', 16)}",
    "decimal fraction": lambda: f"ratio 0.{card('4', 16)}",
    "phone number": lambda: f"call +49 {some(string.digits, 3)} {some(string.digits, 4)} {some(string.digits, 4)}",
    "IPv4": lambda: f"peer 10.{_random.randint(0, 255)}.4.7:{_random.randint(1024, 65535)} closed",
    "IPv6": lambda: f"peer [2001:db8::{_hexadecimal(4)}:{_hexadecimal(4)}]:443",
    "MAC address": lambda: ":".join(_hexadecimal(2) for _ in range(6)),
    "URL without password": lambda: (
        f"GET https://api.example:8443/v1/users/{some(string.digits, 5)}?mail=ann@example.org"
    ),
    "URL with a user": lambda: f"clone ssh://git@host.example:22/team/{some(string.ascii_lowercase, 6)}.git",
    "IBAN-like": lambda: f"DE{some(string.digits, 20)}",
    "page cursor": lambda: "next=" + unpadded(json.dumps({"after": _hexadecimal(12), "n": 50}).encode()),
    "base64": lambda: "blob " + base64.b64encode(_random.randbytes(30)).decode(),
    "version": lambda: f"python 3.{_random.randint(8, 14)}.{_random.randint(0, 20)} build {some(string.digits, 8)}",
    "counts": lambda: f"prompt_tokens={_random.randint(1, 9999)} total_tokens: {_random.randint(1, 9999)}",
    "path": lambda: f"/srv/token/{some(string.ascii_lowercase, 6)}/password/reset.html",
    "user agent": lambda: f"Mozilla/5.0 (X11; Linux x86_64; rv:{_random.randint(90, 140)}.0) Gecko/20100101",
    "JSON without secrets": lambda: json.dumps({"author": "ann", "monkey": some(_ALNUM, 8), "keyboard": "de"}),
    "public key": lambda: f"{'-' * 5}BEGIN PUBLIC KEY{'-' * 5}\n{some(_ALNUM, 64)}",
}

PROSE = (
    "password must have at least 8 characters",
    "Password: required",
    "the token has expired",
    "Invalid token: expected ')'",
    "unexpected token, line 4",
    "if token == expected:",
    "bearer authentication is required",
    "Basic authentication failed",
    "basic information about the bearer of bad news",
    "WWW-Authenticate: Bearer realm=api",
    "the secret of success",
    "cookie consent was given",
    "authorization was refused",
    "token=None",
    "password: null",
    "password=%s",
    "password = ''",
    "password=********",
    "authors: 4, compass: north, bypass=on",
    "author=ann keyboard=de monkey=7 primary_key=7 key=value",
    "    token = read_token(request)",
    "    password = form.cleaned_data[name]",
    "token::Kind and secret::get",
    "tokenizer=fast passenger=9 secretary=bob",
    "sk-learn and task-1234 and AKIA and ghp_ and eyJ",
    "12:34:56 4 5 6 7 8",
)


def lookalikes() -> Iterator[tuple[str, str]]:
    """Yield the kind and text of a few hundred look-alikes, which contain no secret."""
    for kind, make in LOOKALIKES.items():
        for _ in range(14):
            yield kind, make()
    for text in PROSE:
        yield "prose", text
