"""No secret of the corpus remains, and at most one look-alike in a hundred is redacted."""

from __future__ import annotations

import json

import orjson
import pytest

from systemlog.redaction import REDACTED, Redactor
from tests.redaction.corpus import ISSUED, Secret, lookalikes, secrets
from tests.redaction.hard_lookalikes import hard_lookalikes
from tests.redaction.hard_secrets import hard_secrets
from tests.redaction.issued_forms import FORMS

SECRETS = list(secrets())
HARD = list(hard_secrets())
LOOKALIKES = [*lookalikes(), *hard_lookalikes()]
KINDS = sorted({secret.kind for secret in HARD})


def test_the_corpus_is_large_enough() -> None:
    assert len({secret.text for secret in SECRETS}) >= 400
    assert len({secret.kind for secret in SECRETS}) >= 25
    assert len({text for _, text in LOOKALIKES}) >= 400


@pytest.mark.parametrize("case", SECRETS, ids=[f"{number}-{case.kind}" for number, case in enumerate(SECRETS)])
def test_a_secret_does_not_leak(redactor: Redactor, case: Secret) -> None:
    redacted = redactor.text(case.text)

    assert case.secret not in redacted
    assert REDACTED in redacted
    assert redactor.text(redacted) == redacted


def test_an_issued_token_does_not_leak_whatever_stands_around_it(redactor: Redactor) -> None:
    for kind in FORMS:
        token = ISSUED[kind]()
        for around in ("{}", "x={}&y", "/{}/", '"{}"', "%3D{}%26", "\\n{}\\n", "<a>{}</a>", "[{}]", "`{}`", "id:{};"):
            assert token[:12] not in redactor.text(around.format(token)), (kind, around)
        assert redactor.hits(orjson.dumps({"a": [json.dumps(json.dumps(f"to {token}"))]}))


@pytest.mark.parametrize("case", SECRETS, ids=[f"{number}-{case.kind}" for number, case in enumerate(SECRETS)])
def test_the_scan_of_the_serialised_record_sees_it(redactor: Redactor, case: Secret) -> None:
    context = {"request": [case.text, 1], "inner": json.dumps({"body": json.dumps([case.text])})}

    assert redactor.hits(orjson.dumps(context))
    assert redactor.hits(json.dumps(context, ensure_ascii=False).encode())
    assert case.secret not in json.dumps(redactor.value(context))


def test_lookalikes_stay(redactor: Redactor) -> None:
    touched = [(kind, text) for kind, text in LOOKALIKES if redactor.text(text) != text]

    assert len(touched) <= len(LOOKALIKES) / 100, touched


def test_the_hard_corpus_is_large_enough() -> None:
    assert len({secret.text for secret in HARD}) >= 400
    assert len(KINDS) >= 25
    assert len({text for _, text in hard_lookalikes()}) >= 400


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_hundred_hard_secrets_of_each_kind_at_most_five_leak(redactor: Redactor, kind: str) -> None:
    cases = [case for case in HARD if case.kind == kind]
    leaked = []
    for case in cases:
        redacted = redactor.text(case.text)
        if REDACTED not in redacted or (case.secret and case.secret in redacted):
            leaked.append((case.text, redacted))
        assert redactor.text(redacted) == redacted

    assert len(leaked) <= len(cases) / 20, leaked


@pytest.mark.parametrize("kind", KINDS)
def test_the_scan_of_a_serialised_record_sees_what_is_redacted_of_it(redactor: Redactor, kind: str) -> None:
    for case in HARD:
        if case.kind == kind and redactor.text(case.text) != case.text:
            context = {"request": [case.text, 1], "inner": json.dumps({"body": json.dumps([case.text])})}
            assert redactor.hits(orjson.dumps(context)), case.text
            assert redactor.hits(json.dumps(context).encode()), case.text
            assert case.secret == "" or case.secret not in json.dumps(redactor.value(context))
