"""Nested values: keys are considered, unchanged values are not copied, and any depth works."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from systemlog.redaction import REDACTED, Redactor, has_secret, redact_text, redact_value
from systemlog.redaction import redactor as room


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "newPassword1",
        "api-key",
        "X-Api-Key",
        "Set-Cookie",
        "user[password]",
        "userPwd",
        "HTTP_AUTHORIZATION",
    ],
)
def test_the_value_of_a_sensitive_key_goes_and_the_key_stays(redactor: Redactor, key: str) -> None:
    for value in ("hunter2", 1234, 0, ["a", "b"], {"any": "thing"}):
        assert redactor.value({"user": "ann", key: value}) == {"user": "ann", key: REDACTED}


@pytest.mark.parametrize(
    "key", ["author", "monkey", "compass", "total_tokens", "token_count", "password_changed_at", "key", "tokenizer"]
)
def test_the_value_of_another_key_stays(redactor: Redactor, key: str) -> None:
    value = {key: "any text"}

    assert redactor.value(value) is value


@pytest.mark.parametrize("nothing", [None, True, False, "", [], {}])
def test_that_a_password_is_missing_is_no_secret(redactor: Redactor, nothing: object) -> None:
    value = {"password": nothing}

    assert redactor.value(value) is value


def test_a_value_without_secrets_is_not_copied(redactor: Redactor) -> None:
    value = {"order": 7, "items": [{"price": "9.50"}], "note": None, "token": None}

    assert redactor.value(value) is value
    assert redactor.text(text := "order 7 shipped") is text


def test_the_given_value_is_not_changed(redactor: Redactor) -> None:
    value = {"user": {"password": "hunter2", "name": "ann"}}

    assert redactor.value(value) == {"user": {"password": REDACTED, "name": "ann"}}
    assert value == {"user": {"password": "hunter2", "name": "ann"}}


def test_json_in_strings_in_json_is_read(redactor: Redactor) -> None:
    inner = json.dumps({"user": "ann", "p\u0061ssword": 'hun"ter2'})
    value = {"body": json.dumps({"forwarded": inner})}

    redacted = redactor.value(value)

    assert json.loads(json.loads(redacted["body"])["forwarded"]) == {"user": "ann", "password": REDACTED}


def test_a_letter_escaped_in_json_hides_nothing(redactor: Redactor) -> None:
    text = '{"p\\u0061ssword": "hunter2", "card": "\\u0034' + "111111111111111" + '"}'

    assert redactor.text(text) == '{"password": "[redacted]", "card": "[redacted]"}'
    assert redactor.hits(json.dumps({"body": text}).encode())


def test_a_key_that_occurs_twice_in_json_hides_nothing(redactor: Redactor) -> None:
    assert "hunter2" not in redactor.text('{"password": "hunter2", "password": null}')


def test_a_secret_used_as_a_key_goes_too_and_its_neighbor_stays(redactor: Redactor) -> None:
    first, second = (f"x://u:{word}@h" for word in ("hunter2", "hunter3"))

    redacted = redactor.value({first: 1, second: 2})

    assert sorted(redacted.values()) == [1, 2]
    assert "hunter" not in json.dumps(redacted)


def test_a_card_as_a_number_goes(redactor: Redactor) -> None:
    assert redactor.value([int("4" + "1" * 15), 4_111]) == [REDACTED, 4_111]


def test_what_is_no_json_is_walked(redactor: Redactor) -> None:
    marker = object()
    value = {1: marker, "n": 2**70, "text": "token=abcdefgh", "pair": ("password=hunter2", "\ud800")}

    assert redactor.value(value) == {
        1: marker,
        "n": 2**70,
        "text": "token=[redacted]",
        "pair": ["password=[redacted]", "\ud800"],
    }


def test_no_depth_is_too_deep(redactor: Redactor) -> None:
    value: object = "password=hunter2"
    for _ in range(50_000):
        value = [{"next": value}]

    redacted = redactor.value(value)

    for _ in range(50_000):
        redacted = redacted[0]["next"]
    assert redacted == "password=[redacted]"
    assert redactor.text("[" * 100_000 + "password=hunter2").endswith("password=[redacted]")


def test_a_cycle_ends(redactor: Redactor) -> None:
    value: dict[str, object] = {"password": "hunter2"}
    value["self"] = value

    redacted = redactor.value(value)

    assert redacted["password"] == REDACTED
    assert redacted["self"] is redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password=hunter2, user=ann", "password=[redacted], user=ann"),
        ("postgres://ann:p@ss@db/x", "postgres://ann:[redacted]@db/x"),
        ("Cookie: a=b; c=d\r\nHost: x", "Cookie: [redacted]\r\nHost: x"),
        ("Authorization: Bearer abc.def-12 status=200", "Authorization: [redacted] status=200"),
        ('{\\"token\\": \\"ab\\\\\\"cd\\", \\"n\\": 1}', '{\\"token\\": \\"[redacted]\\", \\"n\\": 1}'),
        ("{'credentials': {'a': 'b]', 'c': [1]}, 'n': 1}", "{'credentials': [redacted], 'n': 1}"),
        ('password="cut off\nnext line', 'password="[redacted]\nnext line'),
        ('{"n": 1.50, "token":"abc"}', '{"n": 1.5, "token": "[redacted]"}'),
        ('password="""abc"""', 'password="""[redacted]"""'),
        ("password={SHA}abc=, x=1", "password=[redacted], x=1"),
        ("X-Token: Bearer abc x=1", "X-Token: [redacted] x=1"),
        ("password=:abc token==abc", "password=[redacted] token=[redacted]"),
        ('{"n":1,"token":"abc"}', '{"n":1,"token":"[redacted]"}'),
    ],
)
def test_the_rest_of_the_text_stays(redactor: Redactor, text: str, redacted: str) -> None:
    assert redactor.text(text) == redacted


def test_a_project_names_keys_of_its_own(settings) -> None:
    assert redact_text("iban=DE02 customerIban: x1 urban=y") == "iban=DE02 customerIban: x1 urban=y"

    settings.SYSTEMLOG = {"REDACT_KEYS": ["iban", "date of birth"]}

    assert redact_text("iban=DE02 customerIban: x1 urban=y") == "iban=[redacted] customerIban: [redacted] urban=y"
    assert redact_value({"date-of-birth": "2000-01-01", "DateOfBirth": "x", "order": 1})["date-of-birth"] == REDACTED
    assert has_secret(b'{"IBAN":"DE02"}')


def test_it_works_before_django_has_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def unconfigured() -> None:
        raise ImproperlyConfigured

    monkeypatch.setattr(room, "conf", unconfigured)

    assert redact_text("token=abcdefgh") == "token=[redacted]"


def test_the_standard_re_steps_in_where_re2_is_not_installed() -> None:
    script = (
        "import sys; sys.modules['re2'] = None; from systemlog.redaction import redact_text as r; print(r('token=abc'))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "token=[redacted]\n"


def test_thousands_of_further_keys_are_still_found() -> None:
    redactor = Redactor([f"shop{number}code" for number in range(2500)])
    assert redactor.hits(b'{"shop2400code":"abc"}')
    assert redactor.hits(b"password=abc")
    assert not redactor.hits(b"nothing is here")


@pytest.mark.parametrize(
    "value",
    [
        {"env": [{"name": "DB_PASSWORD", "value": "azerty42x"}]},
        {"env": [{"value": "azerty42x", "name": "DB_PASSWORD"}]},
        {"parameters": [{"ParameterKey": "DbPassword", "ParameterValue": "azerty42x"}]},
        {"errors": [{"loc": ["body", "password"], "input": "azerty42x"}]},
        {"pair": [{"k": "token", "v": "azerty42x"}]},
        {"headers": [["authorization", "azerty42x"], ["host", "x"]]},
        {"headers": [("cookie", "a=azerty42x")]},
        {"argv": ["tool", "--password", "azerty42x", "--verbose"]},
        {"sql": "UPDATE users SET password = %s WHERE id = %s", "params": ["azerty42x", 7]},
        {"Password:": "azerty42x"},
        {"password?": "azerty42x"},
    ],
    ids=str,
)
def test_a_value_goes_that_is_named_beside_it(redactor: Redactor, value: dict[str, object]) -> None:
    redacted = json.dumps(redactor.value(value))

    assert "azerty42x" not in redacted
    assert REDACTED in redacted
    assert redactor.hits(json.dumps(value).encode())


@pytest.mark.parametrize(
    "value",
    [
        {"env": [{"name": "TZ", "value": "UTC"}]},
        {"fields": ["password", "email"]},
        {"argv": ["tool", "--password", "--verbose"]},
        {"sql": "SELECT * FROM orders WHERE id = %s", "params": [7]},
        {"errors": [{"loc": ["body", "password"], "msg": "Field required"}]},
    ],
    ids=str,
)
def test_a_value_stays_beside_which_nothing_sensitive_is_named(redactor: Redactor, value: dict[str, object]) -> None:
    assert redactor.value(value) is value


@pytest.mark.parametrize(
    ("arguments", "place", "left"),
    [
        (["mysql", "-px"], 1, "-p[redacted]"),
        (["sudo", "-u", "db", "/usr/bin/mysqldump", "-u", "root", "-phunter2", "shop"], 6, "-p[redacted]"),
        (["sshpass", "-p", "hunter2", "ssh", "host"], 2, REDACTED),
        (["curl", "-u", "ann:hunter2", "https://example.com"], 2, "ann:[redacted]"),
        (["docker", "login", "-u", "ann", "-p", "hunter2"], 5, REDACTED),
        (["openssl", "rsa", "-passin", "pass:hunter2"], 3, "pass:[redacted]"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_password_among_the_arguments_of_a_command_goes(
    redactor: Redactor, arguments: list[str], place: int, left: str
) -> None:
    expected = [*arguments[:place], left, *arguments[place + 1 :]]
    assert redactor.value({"cmd": arguments}) == {"cmd": expected}
    assert redactor.text(f"run {arguments!r}") == f"run {expected!r}"
    assert json.loads(redactor.text(json.dumps(arguments))) == expected
    assert json.loads(redactor.text(json.dumps(arguments, indent=1))) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["docker", "run", "-p", "8080:80", "nginx"],
        ["mysql", "-P", "3306"],
        ["ls", "-px"],
        ["mysql", "-p"],
        ["curl", "-o", "a:b"],
        ["pin", "curl", "mysql"],
    ],
    ids=" ".join,
)
def test_other_arguments_stay(redactor: Redactor, arguments: list[str]) -> None:
    assert redactor.value({"cmd": arguments}) == {"cmd": arguments}
    assert redactor.text(repr(arguments)) == repr(arguments)


def test_the_private_members_of_a_json_web_key_go(redactor: Redactor) -> None:
    secret = {"kty": "oct", "k": "GawgguFyGrWKav7AX4VKUg", "alg": "A128KW"}
    private = {"kty": "RSA", "n": "0vx7agoebGcQ", "e": "AQAB", "d": "X4cTteJY_gn4FYPsXB8r", "p": "83i-7IvMGXoMXCsk"}
    public = {"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "k": 0}
    assert redactor.value({"keys": [secret, private]}) == {
        "keys": [{**secret, "k": REDACTED}, {**private, "d": REDACTED, "p": REDACTED}]
    }
    assert "Gawggu" not in redactor.text(f"loaded {secret!r}")
    assert "X4cT" not in redactor.text(f"loaded {private!r}")
    del public["k"]
    assert redactor.value(public) == public
    assert redactor.value({"k": "v", "d": "e"}) == {"k": "v", "d": "e"}


@pytest.mark.parametrize("tag", ["!vault", "!!str", "!Custom.tag"])
def test_the_value_behind_a_yaml_tag_goes(redactor: Redactor, tag: str) -> None:
    assert redactor.text(f"secret: {tag} x") == "secret: [redacted]"
    assert "hunter2" not in redactor.text(f"password: {tag} 'hunter2 and more'\nuser: ann")


def test_a_yaml_tag_that_names_a_secret_stays(redactor: Redactor) -> None:
    text = "password: !Ref DatabasePassword\ntoken: !secret api_token"
    assert redactor.text(text) == text
