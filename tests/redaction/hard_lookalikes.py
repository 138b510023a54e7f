"""Texts that look like secrets and are none: prose, code, addresses and numbers from the logs of a service."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.redaction.corpus import card

_random = random.Random(20261128)

TEXTS = (
    *("risk-ant-colony", "task-proj-overview-of-the-quarter", "desk-or-table-and-a-chair-for-everyone"),
    *("page_token=CAUQAA", "next_page_token: CAoQAA", '{"nextPageToken": "CAUQAA17xk"}', "pageToken=CAUQAAabc123"),
    *("continuation_token=abc123", '{"next_token": "eyJpZCI6MTd9"}', "NextContinuationToken: 1ueGcxLPRx1Tr"),
    *("PWD=/srv/app", "OLDPWD=/srv", "pwd: /home/ann/shop", "cd $PWD", '{"PWD": "/srv/app"}', "PWD=/srv/app/Current-1"),
    *("signature: valid", "signature=verified", "Signature: mismatch", "the signature was: invalid"),
    *("Bad token: foo", "invalid token: EOF", "Unexpected token: }", "Unexpected token '}' in JSON", "bad token '('"),
    *("secret: k8s/db", "secret=default/db-tls", "secretName: db-credentials", "mounted secret: prod/tls-cert"),
    *("cookies = SimpleCookie()", "cookie = Morsel()", "token = get_token(request)", "password = getpass.getpass()"),
    *(
        "session = Session(engine)",
        "auth = HTTPBasicAuth(user, password)",
        "token=self._token",
        "password=os.environ[x]",
    ),
    *("password = models.CharField(max_length=128)", "secret = Secret.objects.get(pk=7)", "token = None  # later"),
    *("token: str", "password: str | None", "password: Optional[str] = None", "def login(user, password): ..."),
    *("def login(user: str, password: str) -> bool:", "token: int = 0", "password: SecretStr", "api_key: bytes"),
    *("password: required", "password: too short", "password: This field is required.", "token: expired at noon"),
    *("password: incorrect", "Password: must contain a digit", "token: not found", "token: revoked", "token: missing"),
    *("credentials: rejected", "api key: missing", "API key: not configured", "auth: enabled", "auth: disabled"),
    *("auth=basic", "auth: none", "auth=oauth2", "authorization: denied", "Authorization: required", "cookie: blocked"),
    *("cookies: accepted", "csrf: enabled", "CSRF token missing.", "csrf=off", "otp: enabled", "jwt: expired"),
    *("error_code=404", "?code=404", "/x?code=SUMMER2026", "/error?code=E_CONNECTION_42", "code: 17", "exit code=137"),
    *("?code=ERR_TOO_MANY_REDIRECTS", "coupon code=WELCOME10", "status_code=200", "/o?code=DE&x=1", "country code: DE"),
    *("tests pass: 120", "pass: 12, fail: 3", "pass=12 fail=0", "pass: 100%", "first pass: done", "compass: north"),
    *("pin=7", "pin: 13 high", "spin=4", "pinned: true", "PIN code required", "GPIO pin: 17"),
    *("sid=1", "sid: 42", "ssid=GuestNet", "side=left", "call_sid: none", "refresh=30", "refresh: 5m", "refresh: true"),
    *("bearer: none", "bearer of good news", "session=active", "session: closed", "session=7", "bearer token missing"),
    *("Bearer realm=api", "Bearer authentication", "WWW-Authenticate: Basic realm=shop", "basic needs"),
    *("password\nuser\nemail", "user\tpassword\temail", "| user | password | email |", "| token | string | required |"),
    *(
        'fields ["username", "password", "email"]',
        "('user', 'password')",
        "['password', 'email']",
        '["token", "scope"]',
    ),
    *("columns (id, password, email)", "INSERT INTO users (name, password) VALUES (%s, %s)", "SELECT password FROM x"),
    *("password -> hash", "token | grep x", "cat token | wc -l", "the token -> user map", "password -> required"),
    *("<password>", "<password></password>", "<input type=password name=token>", "<token/>", "a < password > b"),
    *('<input name="password" type="password" value="">', '<label for="password">Password</label>'),
    *("--password", "--password-file /run/secrets/db", "--token --verbose", "use --password to log in", "--no-token"),
    *("unknown option --password", "the option --token is required", "mkdir -p /srv/app", "docker run -p 8080:80 web"),
    *("ps -p 4711", "ssh -p 2222 host", "cp -pr a b", "mysql -u root -p shop", "mysql --host=db shop", "curl -u ann x"),
    *("curl -s https://api.example/", "redis-cli -h cache ping", "docker login registry.example", "nmap -p80,443 host"),
    *("machine is busy", "the machine login screen", "user password reset", "user ann password changed"),
    *(
        "password is required",
        "password is incorrect",
        "the password was changed",
        "token is invalid",
        "token is expired",
    ),
    *("ALTER USER ann WITH PASSWORD NULL", "identified by a number", "Identified by its name", "PASSWORD EXPIRE"),
    *(
        "Key (id)=(7) already exists",
        "Key (name)=(ann) is not present",
        "Key (token_id)=(7)",
        "(author, token_id)=(1, 2)",
    ),
    *(
        "GET /reset/ 200",
        "POST /password/reset/ 302",
        "/accounts/reset/done/",
        "/verify/email",
        "/activate/",
        "/confirm",
    ),
    *("/password-reset/complete/", "/orders/confirm/4711", "/login/callback", "/invite/accept", "/reset/password/form"),
    *("https://ann@git.example/a.git", "ssh://deploy@host", "https://user-name@host/x", "git@github.com:a/b.git"),
    *("https://x.example:8443/a@b", "mailto:ann@example.org", "http://localhost:8000/?a=b@c", "redis://cache:6379/0"),
    *("next=%2Flogin%3Fpage%3D2", "q=%7B%22author%22%3A%22ann%22%7D", "https%3A%2F%2Fshop.example%2Fx"),
    *("&quot;author&quot;: &quot;ann&quot;", "&lt;author&gt;ann&lt;/author&gt;", "<author>ann</author>"),
    *(
        "monkey: banana",
        "keyboard=de",
        "turkey=1",
        "primary_key=7",
        "foreign_key: user_id",
        "cache_key=user:7",
        "key=1",
    ),
    *("sort_key=name", "partition_key: 2026-11", "public_key_id=7", "idempotency_key=order-7", "key: value"),
    *("tokens=12", "max_tokens=4096", "token_count: 7", "token_type=bearer", "tokenizer: fast", "token_limit=5"),
    *(
        "password_changed_at=2026-11-27",
        "password_policy: strict",
        "secret_version=3",
        "secret_name=db",
        "password_min=8",
    ),
    *("cookie_age=3600", "session_timeout=30", "auth_method=ldap", "auth_backend: LDAP", "auth_time=17", "author: ann"),
    *("passenger=9", "password-less login", "passport: none", "surpass=1", "trespass: no", "bypass=on", "bypass: true"),
    *("secretary: bob", "the secret of success", "Secret santa: ann", "open secret", "cookie: yes", "cookies: 3"),
    *("decode error: unexpected token in line 3", "SyntaxError: invalid token", "unexpected end of token stream"),
    *(
        "ValueError: bad signature",
        "signature = inspect.signature(function)",
        "hmac.compare_digest",
        "signature: (x, y)",
    ),
    *(
        "password=",
        "password: ",
        "token=''",
        'password=""',
        "token: null",
        "secret=None",
        "password=<hidden>",
        "password=xxx",
    ),
    *(
        "password=****",
        "password: ••••••",
        "token=<redacted>",
        "password=[FILTERED]",
        "token: ***",
        "password=${DB_PASSWORD}",
    ),
    *("password=$DB_PASSWORD", "token={{ token }}", "password: %(password)s", "token=%s", "password={password}"),
    *("secret: true", "password=False", "token: undefined", "apiKey: null,", "password=N/A", "password: (none)"),
    *("-----BEGIN CERTIFICATE-----", "ssh-rsa public key", "-----BEGIN PUBLIC KEY-----", "BEGIN PRIVATE LESSONS"),
    *(
        "PuTTY release 0.80",
        "Private-Lines of code",
        "v1.0-beta",
        "v1.0-rc1",
        "key-value",
        "re_match",
        "hf_dataset_name",
    ),
    *("import re_compile_all_patterns", "npm_config_registry=x", "npm_lifecycle_event=test", "sk-SK", "pypi-server"),
    *(
        "glpat- is the prefix",
        "AKIA prefix",
        "sk_live is Stripe's prefix",
        "xoxb tokens",
        "cio is an officer",
        "dapi docs",
    ),
    *("code_challenge_method=S256", "grant_type=password", "response_type=token", "grant_type=refresh_token&x=1"),
    *(
        "scope=token",
        "type=password",
        "type: password",
        "field=password",
        "name=token",
        "kind: Secret",
        "input: password",
    ),
    *("kind: Secret\nmetadata:\n  name: db", "Password:\nPlease try again", "Token:\n  expired", "secret:\n  name: db"),
    *("version 4.1.1.1", "4111.22", "1 2 3 4", "ratio 4.1111", "2026-11-27 15:04:05.123456", "+49 171 1234 5678 90"),
)

JSONS = (
    {"name": "token_count", "value": 7},
    {"name": "TZ", "value": "UTC"},
    {"value": "Sommer2024x", "name": "title"},
    {"key": "author", "value": "ann"},
    {"field": "password", "error": "required"},
    {"loc": ["body", "password"], "msg": "Field required", "type": "missing"},
    {"password": ["This field is required."]},
    {"fields": ["password", "token"]},
    {"columns": [["password", "varchar"], ["name", "text"]]},
    {"code": 404, "detail": "not found"},
    {"code": "token_not_valid", "detail": "Given token not valid for any token type"},
    {"order": "2024112700001234", "sid": 7},
    {"pin": 7, "refresh": 30, "sid": None},
    {"messages": [{"token_class": "AccessToken", "token_type": "access"}]},
    {"env": [{"name": "PORT", "value": "8000"}, {"name": "DEBUG", "value": "1"}]},
    {"auth": "basic", "pass": 12},
)


def hard_lookalikes() -> Iterator[tuple[str, str]]:
    """Yield the kind and text of a few hundred look-alikes."""
    for text in (*TEXTS, *Path(__file__).with_name("lookalikes.txt").read_text().splitlines()):
        yield "text", text
    for value in JSONS:
        yield "JSON", json.dumps(value)
        yield "repr", repr(value)
    for _ in range(8):
        digits = "".join(_random.choices(string.digits, k=9))
        for prefix, length in (
            ("1", 16),
            ("7", 16),
            ("8", 16),
            ("9", 16),
            ("4", 14),
            ("5", 15),
            ("20241127", 16),
            ("6", 14),
        ):
            yield "order number that passes Luhn", f"order {card(prefix, length)} shipped"
        yield "SHA-1", f"commit {_random.getrandbits(160):040x}"
        yield "UUID in a path", f"GET /orders/{uuid.UUID(int=_random.getrandbits(128))}/confirm 200"
        yield "UUID behind confirm", f"GET /confirm/{uuid.UUID(int=_random.getrandbits(128))}/ 200"
        yield "cursor", "cursor=" + base64.b64encode(json.dumps({"after": digits, "author": "ann"}).encode()).decode()
        yield "certificate", base64.b64encode(b"-----BEGIN CERTIFICATE-----\n" + digits.encode() * 9).decode()
        yield "image", "data:image/png;base64," + base64.b64encode(_random.randbytes(60)).decode()
        yield "message id", f"Message-ID: <{digits}.{_random.getrandbits(64):x}@mail.example>"
        yield "number in groups", f"IBAN DE{digits[:2]} {digits[:4]} {digits[2:6]} {digits[5:]} 00"
        yield "trace", f"traceparent=00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-01"
        yield "object key", f"s3://bucket/{digits[:4]}/{_random.getrandbits(128):032x}.json"
