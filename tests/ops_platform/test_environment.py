import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_platform import environment
from ops_platform.environment import BASE_DIR, read


def mistakes(**variables):
    return {mistake.name: mistake.wrong for mistake in read(variables)[1]}


def test_nothing_given_is_no_mistake():
    variables, wrong = read({})
    assert wrong == []
    assert variables.DEBUG is False
    assert variables.ALLOWED_HOSTS == []
    assert variables.VAR_DIR == BASE_DIR / "var"


@pytest.mark.parametrize("value", ["on", "ON", " true ", "yes", "1"])
def test_a_switch_is_turned_on_by_the_usual_spellings(value):
    assert read({"DEBUG": value})[0].DEBUG is True


@pytest.mark.parametrize("value", ["off", "False", "no", "0", ""])
def test_a_switch_is_turned_off_by_the_usual_spellings(value):
    assert read({"DEBUG": value})[0].DEBUG is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("HTTPS", "tls"),
        ("HSTS_SECONDS", "-1"),
        ("HSTS_SECONDS", "1.5"),
        ("WEB_CONCURRENCY", "0"),
        ("WEB_CONCURRENCY", "٣"),
        ("LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "NOTSET"),
        ("FORWARDED_ALLOW_IPS", "proxy.example.com"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8"),
        ("CORRELATION_TRUST", "some"),
        ("CORRELATION_TRUST", "10.0.0.1/8"),
        ("CORRELATION_TRUST", "*"),
        ("CORRELATION_TRUST", ""),
        ("CSRF_TRUSTED_ORIGINS", "admin.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://admin.example.com/"),
        ("CSRF_TRUSTED_ORIGINS", "https://admin.example.com,https://"),
    ],
)
def test_a_value_that_cannot_be_used_is_a_mistake_and_its_default_holds(name, value):
    assert name in mistakes(**{name: value})
    assert getattr(read({name: value})[0], name) == getattr(read({})[0], name)


@pytest.mark.parametrize(
    ("value", "read_as"),
    [("all", "all"), ("none", "none"), ("10.0.0.0/8, ::1,unix", ["10.0.0.0/8", "::1", "unix"]), ("unix", ["unix"])],
)
def test_ids_are_taken_from_all_none_or_proxies(value, read_as):
    variables, wrong = read({"CORRELATION_TRUST": value})
    assert read_as == variables.CORRELATION_TRUST
    assert wrong == []


@pytest.mark.parametrize("origin", ["https://*.example.com", "http://localhost:8000", "https://[::1]:8443"])
def test_an_origin_has_its_scheme(origin):
    variables, wrong = read({"CSRF_TRUSTED_ORIGINS": f"https://a.example, {origin}"})
    assert ["https://a.example", origin] == variables.CSRF_TRUSTED_ORIGINS
    assert wrong == []


def test_an_empty_folder_is_the_default():
    assert read({"VAR_DIR": ""})[0].VAR_DIR == BASE_DIR / "var"


def test_a_file_of_variables_that_was_named_and_cannot_be_read_is_a_mistake(monkeypatch, tmp_path):
    latin = tmp_path / "latin"
    latin.write_bytes(b"VERSION=\xe9")
    for file in (tmp_path / "missing", tmp_path, latin):
        monkeypatch.setenv("ENV_FILE", str(file))
        assert [mistake.name for mistake in environment.load()[1]] == ["ENV_FILE"]


def test_no_file_of_variables_is_no_mistake(monkeypatch, tmp_path):
    monkeypatch.setenv("ENV_FILE", "")
    assert environment.load()[1] == []
    monkeypatch.delenv("ENV_FILE")
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    assert environment.load()[1] == []


def test_words_are_separated_by_commas_and_trimmed():
    assert read({"ALLOWED_HOSTS": " a.example , b.example,, [::1]"})[0].ALLOWED_HOSTS == [
        "a.example",
        "b.example",
        "[::1]",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgres://u:p%40ss@db.example:5433/logs?sslmode=require",
            {
                "ENGINE": "django.db.backends.postgresql",
                "USER": "u",
                "PASSWORD": "p@ss",
                "HOST": "db.example",
                "PORT": 5433,
                "NAME": "logs",
                "OPTIONS": {"sslmode": "require"},
            },
        ),
        ("postgresql://u@%2Frun%2FPostgres/logs", {"HOST": "/run/Postgres", "NAME": "logs", "USER": "u"}),
        ("postgres:////run/postgres/logs", {"HOST": "/run/postgres", "NAME": "logs"}),
        ("postgres://u@one:5432,two:5433/logs", {"HOST": "one,two", "PORT": "5432,5433"}),
        ("postgres://u@[::1]:5432/logs", {"HOST": "::1", "PORT": 5432}),
        ("sqlite:////data/db.sqlite3", {"ENGINE": "django.db.backends.sqlite3", "NAME": "/data/db.sqlite3"}),
        ("sqlite:///db.sqlite3", {"NAME": str(BASE_DIR / "db.sqlite3")}),
    ],
)
def test_a_database_url_is_understood(url, expected):
    settings = read({"DATABASE_URL": url})[0].DATABASE_URL
    assert {key: settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    "url",
    [
        "garbage",
        "mysql://u:hunter2@host/name",
        "postgres:/u:hunter2@host/name",
        "postgres://u:hunter2@host",
        "postgres://u:hunter2@host/",
        "postgres://u:hunter2@host:port/name",
        "postgres://u:hunter2@host:99999/name",
        "postgres://u:hunter2@[::1/name",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite://hunter2/file",
    ],
)
def test_a_bad_database_url_is_one_sentence_without_the_password_and_no_other_database_is_used(url):
    wrong = mistakes(DATABASE_URL=url)["DATABASE_URL"]
    assert "postgres://user:password@host:5432/name" in wrong or "sqlite:////" in wrong
    assert "hunter2" not in wrong
    assert read({"DATABASE_URL": url})[0].DATABASE_URL == environment.UNUSABLE


@given(st.dictionaries(st.sampled_from(["DATABASE_URL", "DEBUG", "HSTS_SECONDS", "FORWARDED_ALLOW_IPS"]), st.text()))
def test_no_value_raises(variables):
    read(variables)


@given(st.text().map(lambda rest: "postgres://" + rest))
def test_no_url_raises(url):
    read({"DATABASE_URL": url})


def test_a_missing_file_of_variables_is_not_worth_a_record(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    monkeypatch.delenv("ENV_FILE", raising=False)
    with caplog.at_level(logging.DEBUG):
        _, wrong = environment.load()
    assert not caplog.records
    assert "ENV_FILE" not in {mistake.name for mistake in wrong}
