"""Secrets in the shapes in which logs contain them, generated from a fixed seed. No secret is real."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from tests.redaction.corpus import Secret, card, grouped
from tests.redaction.hard_shapes import (
    KEYS,
    PLAIN_SHAPES,
    QUOTED_SHAPES,
    URL_KEYS,
    URL_SHAPES,
    WEAK_KEYS,
    XML_KEYS,
    XML_SHAPES,
)

_random = random.Random(20261127)
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_D = "-" * 5


def some(alphabet: str, length: int) -> str:
    """Return random characters, at least one of them a digit if the alphabet has digits."""
    while True:
        text = "".join(_random.choices(alphabet, k=length))
        if len(set(text) & set(string.digits)) > 0 or not set(alphabet) & set(string.digits):
            return text


def b64(text: str | bytes) -> str:
    """Return base64 with padding, as openssl writes it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


VALUES: dict[str, Callable[[], str]] = {
    "random": lambda: some(_ALNUM, 18),
    "hexadecimal": lambda: some(_HEX, 32),
    "base64": lambda: b64(_random.randbytes(25)),
    "word and digits": lambda: "Sommer" + some(string.digits, 4) + "!",
    "punctuated": lambda: f"{some(_ALNUM, 6)}$#{some(_ALNUM, 5)}!",
    "UUID": lambda: str(uuid.UUID(int=_random.getrandbits(128))),
    "words": lambda: "zebra-quartz-" + some(string.ascii_lowercase, 6),
}

MACHINE_VALUES = ("random", "hexadecimal", "base64", "UUID")


def _cased(value: str) -> bool:
    return any(map(str.isdigit, value)) or "-" in value


def pairs() -> Iterator[Secret]:
    """Yield each key in several shapes, and each shape with several keys."""
    kinds = list(VALUES)
    shapes = [*QUOTED_SHAPES.items(), *PLAIN_SHAPES.items()]
    for index, key in enumerate(KEYS):
        for step in range(7):
            shape, template = shapes[(index * 7 + step * 5) % len(shapes)]
            kind = kinds[(index + step) % len(kinds)]
            value = VALUES[kind]()
            if shape == "YAML" and kind == "base64":
                value = VALUES["random"]()
            yield Secret(shape, template.format(key=key, value=value), value)
    for shape, template in shapes:
        for key in ("DB_PASSWORD", "accessToken", "x-api-key"):
            for kind in ("random", "word and digits"):
                value = VALUES[kind]()
                yield Secret(shape, template.format(key=key, value=value), value)


def other_pairs() -> Iterator[Secret]:
    """Yield secrets of keys with other meanings, in XML and in URLs."""
    for index, key in enumerate(WEAK_KEYS):
        for template in (QUOTED_SHAPES["JSON"], PLAIN_SHAPES["equals"], PLAIN_SHAPES["colon"], URL_SHAPES["query"]):
            value = VALUES[MACHINE_VALUES[index % 2]]()
            yield Secret("weak key", template.format(key=key, value=value), value)
    for template in ('{{"pin": "{0}"}}', "pin={0}", "PIN: {0}", "user_pin={0}", '{{"cardPin": {0}}}'):
        value = some(string.digits, 4)
        yield Secret("pin", template.format(value), value)
    for shape, template in XML_SHAPES.items():
        for key in XML_KEYS:
            if ":" not in key or "attribute" not in shape:
                value = VALUES[_random.choice(list(VALUES))]()
                yield Secret(f"XML {shape}", template.format(key=key, value=value), value)
    for shape, template in URL_SHAPES.items():
        for key in URL_KEYS:
            value = VALUES[_random.choice(("random", "hexadecimal"))]()
            yield Secret(f"URL {shape}", template.format(key=key, value=value), value)


def lists_and_encoded() -> Iterator[Secret]:
    """Yield headers in lists and after a tab, and JSON within URLs."""
    for key in ("authorization", "Authorization", "cookie", "x-api-key", "proxy-authorization", "set-cookie"):
        value = some(_ALNUM, 30)
        scheme = "Bearer " if "auth" in key else "sid=" if "cookie" in key else ""
        for template in ('["{0}", "{1}"]', "[(b'{0}', b'{1}'), (b'host', b'x')]", "('{0}', '{1}')", '[["{0}","{1}"]]'):
            yield Secret("list of two", template.format(key, scheme + value), value)
        yield Secret("header on a tab", f"{key}:\t{scheme}{value}", value)
    for word in ("login", "user"):
        value = VALUES["word and digits"]()
        yield Secret("encoded JSON", "GET /x?q=" + quote(json.dumps({word: "ann", "password": value[:-1]})), value[:-1])
        yield Secret("encoded JSON", "body=" + quote_plus(json.dumps({"token": value[:-1], word: 1})), value[:-1])
        yield Secret("encoded JSON", "body=" + quote(quote(json.dumps({"api_key": value[:-1]}))), value[:-1])


TAILS = ("{a};{b}", "{a},{b}", "{a}&{b}", "{a}'{b}", "{a};{b},{c}", "{a}&&{b}", "{a},;{b}")


def tails() -> Iterator[Secret]:
    """Yield plain values that contain a sign at which values often end."""
    for template in TAILS:
        for key in ("password", "DB_PASSWORD", "secret", "db_pass"):
            parts = {name: some(_ALNUM, 6) for name in "abc"}
            value = template.format(**parts)
            last = parts["c" if "{c}" in template else "b"]
            yield Secret("tail", f"connect with {key}={value} refused", last)
            yield Secret("tail", f"{key}: {value}\nhost: x", last)


def commands() -> Iterator[Secret]:
    """Yield command lines."""
    for template in (
        "run: createuser --password {} --user ann",
        "deploy --api-key {} --env prod",
        "cli --db-password '{}' migrate",
        "argv ['tool', '--token', '{}', '--verbose']",
        "tool --client-secret={} x",
        "mysql -u root -p{} shop",
        "mysqldump -h db -uroot -p'{}' shop > x.sql",
        "sshpass -p {} ssh ann@host",
        "redis-cli -h cache -a {} ping",
        "docker login -u ann -p {} registry.example",
        "curl -u ann:{} https://api.example/",
        "argv ['mysql', '-u', 'root', '-p{}', 'shop']",
        '{{"cmd": ["sshpass", "-p", "{}", "ssh", "ann@host"]}}',
        '{{"kty":"oct","k":"{}","alg":"HS256"}}',
        "key {{'kty': 'OKP', 'crv': 'Ed25519', 'd': '{}', 'x': 'abc'}}",
        "secret: !vault {}",
        "curl -s --user ann:{} https://api.example/",
        'curl -X POST -u "ann:{}" https://api.example/',
        "curl -H 'X-Api-Key: {}' https://api.example/",
        "wget --http-password={} https://api.example/",
        "PGPASSWORD={} psql -h db shop",
        "ldapsearch -D cn=admin -w {} -b dc=x",
        "smbclient //host/share -U ann%{}",
        "openssl rsa -passin pass:{} -in x.pem",
        "machine api.example login ann password {}",
        "machine api.example\n  login ann\n  password {}\n",
        "default login ann password {}",
        "ALTER USER ann WITH PASSWORD '{}';",
        "CREATE ROLE ann LOGIN ENCRYPTED PASSWORD '{}'",
        "CREATE USER 'ann'@'%' IDENTIFIED BY '{}'",
        "ALTER USER ann IDENTIFIED WITH caching_sha2_password BY '{}'",
        'GRANT ALL ON x.* TO ann IDENTIFIED BY "{}"',
        "SET PASSWORD FOR ann = '{}'",
        "SELECT * FROM users WHERE token = '{}'",
        "INSERT INTO users (name, password) VALUES ('ann', '{}')",
        'INSERT INTO "auth_user" ("username", "password") VALUES (%s, %s) [parameters: (\'ann\', \'{}\')]',
        'UPDATE "users" SET "password" = %s WHERE "id" = %s; args=(\'{}\', 7)',
        "UPDATE users SET api_key = ? WHERE id = ? -- params: ['{}', 7]",
        "UPDATE users SET token = $1 WHERE id = $2 parameters: $1 = '{}', $2 = '7'",
        "Server=db;Database=x;User Id=sa;Password={};Encrypt=true",
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={}==;EndpointSuffix=core",
        'psql "host=db user=ann password={} dbname=x"',
        "ALTER ROLE ann PASSWORD E'{}'",
        "Key (lower(api_key::text))=({}) already exists.",
        "SELECT 1 FROM t WHERE token = %s - PARAMS = ('{}',)",
        '(0.001) UPDATE "u" SET "password" = \'x1\' WHERE "id" = 1; args=(\'{}\', 1)',
        '<property name="password">{}</property>',
        "- name: DB_PASSWORD\n  value: {}\n- name: TZ",
        'user.set_password("{}")',
        "userPassword:: {}",
        "the new password is {}",
        "password '{}' was rejected",
    ):
        for kind in ("random", "word and digits", "random"):
            value = VALUES[kind]()
            yield Secret("command", template.format(value), value)


def urls() -> Iterator[Secret]:
    """Yield URLs whose user, password, path segment or parameter is the secret."""
    for _ in range(3):
        value, code = some(_ALNUM, 40), some(_ALNUM, 20)
        yield Secret("URL of a user only", f"clone https://{value}@git.example/a/b.git", value)
        yield Secret("URL of a user only", f"dsn=https://{some(_HEX, 32)}@o4.ingest.sentry.io/7", "")
        yield Secret("encoded URL", f"next=https%3A%2F%2Fann%3A{code}%40db.example%2Fx", code)
        yield Secret("URL", f"redis://:{code}@cache:6379/0", code)
        yield Secret("OAuth code", f"GET /oauth/callback?code=4/0A{some(_ALNUM, 60)}&scope=email", "4/0A")
        for text in (
            f"GET /callback?state=x&code={code} 302",
            f"POST /token grant_type=authorization_code&code={code}&redirect_uri=x",
            f"code={code}&state=af0ifjsldkj",
        ):
            yield Secret("OAuth code", text, code)
        signature = quote(b64(_random.randbytes(32)), safe="")
        yield Secret("SAS", f"https://x.blob.core.example/c?sv=2022-11-02&sp=r&sig={signature}", signature)
        yield Secret("SAS", f"?sv=2022-11-02&amp;sig={signature}&amp;se=2026", signature)
        token = f"b{some(string.ascii_lowercase + string.digits, 5)}-{some(_HEX, 32)}"
        for template in (
            "GET /accounts/reset/MQ/{}/ 200",
            "mail: https://shop.example/password-reset/confirm/MTI/{}/",
            "https://shop.example/reset_password/{}",
            "https://shop.example/users/password/reset/{}?lang=de",
            "https://shop.example/activate/{}",
            "https://shop.example/verify-email/{}/",
            "https://shop.example/magic-link/{}",
            "https:\\/\\/shop.example\\/reset\\/MQ\\/{}\\/",
        ):
            yield Secret("reset link", template.format(token), token)
        number = str(uuid.UUID(int=_random.getrandbits(128)))
        yield Secret("reset link", f"https://shop.example/password/reset/{number}", number)


def key_files() -> Iterator[Secret]:
    """Yield private keys in files, and secrets in base64."""
    for _ in range(3):
        lines = [some(_ALNUM + "+/", 64) for _ in range(4)]
        body = "\n".join(lines)
        putty = (
            f"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 1\n{some(_ALNUM, 64)}\n"
            f"Private-Lines: 4\n{body}\nPrivate-MAC: {some(_HEX, 64)}\n"
        )
        yield Secret("PuTTY", putty, lines[1])
        yield Secret("PuTTY", json.dumps(putty), lines[1])
        four, name = _D[1:], "SSH2 ENCRYPTED PRIVATE KEY"
        ssh2 = f"{four} BEGIN {name} {four}\nComment: x\n{body}\n{four} END {name} {four}"
        yield Secret("SSH2", ssh2, lines[1])
        yield Secret("SSH2", json.dumps({"k": ssh2}), lines[3])
        for name in ("", "RSA ", "PGP "):
            end = " BLOCK" if name == "PGP " else ""
            pem = f"{_D}BEGIN {name}PRIVATE KEY{end}{_D}\n{body}\n{_D}END {name}PRIVATE KEY{end}{_D}\n"
            yield Secret("PEM", f"loaded {pem}", lines[2])
            yield Secret("PEM in base64", f"config cert_data {b64(pem)} loaded", b64(pem)[40:90])
        value = VALUES["word and digits"]()
        for document in ({"password": value, "user": "ann"}, {"user": "ann", "api_key": value}):
            for text in (json.dumps(document), json.dumps(document, separators=(",", ":")), json.dumps([document])):
                yield Secret("JSON in base64", f"state {b64(text)} received", b64(text)[12:40])
        yield Secret("JSON in base64", f"x={b64(json.dumps({'token': value}, indent=1))}", "ewog")
        yield Secret("password hash", f"row $2b$12${some(_ALNUM, 53)} read", "$2b$12$")
        yield Secret(
            "password hash", f"row pbkdf2_sha256$870000${some(_ALNUM, 22)}${b64(_random.randbytes(32))}", "870000$"
        )
        yield Secret(
            "password hash",
            f"row argon2$argon2id$v=19$m=102400,t=2,p=8${some(_ALNUM, 22)}${some(_ALNUM, 43)}",
            "m=102400",
        )
        yield Secret("bearer on a tab", f"Authorization:\tBearer\t{(token := some(_ALNUM, 40))}", token)
        yield Secret("bearer on a tab", f"sent Bearer\t{(token := some(_ALNUM, 40))}", token)
        yield Secret("bearer on a tab", json.dumps(f"sent bearer\t{(token := some(_ALNUM, 40))}"), token)


def cards() -> Iterator[Secret]:
    """Yield card numbers in groups of digits."""
    for separator in (" ", "-", ".", "\u00a0", "\u202f", "\u2009", "  ", " - "):
        for prefix in ("4", "51", "55", "6011"):
            number = grouped(card(prefix, 16), separator)
            yield Secret("card", f"charged {number} today", number)
        number = card("37", 15)
        number = separator.join((number[:4], number[4:10], number[10:]))
        yield Secret("card", f"charged {number} today", number)
    for prefix, length in (("4", 16), ("52", 16), ("2221", 16), ("34", 15), ("6011", 16), ("3530", 16)):
        number = card(prefix, length)
        for template in ("card={}", '{{"pan": "{}"}}', "pan:{};", "({})", "x_{}", "{}.", "<n>{}</n>"):
            yield Secret("card", template.format(number), number)


def hard_secrets() -> Iterator[Secret]:
    """Yield all secrets of this module."""
    for make in (pairs, other_pairs, lists_and_encoded, tails, commands, urls, key_files, cards):
        yield from make()
