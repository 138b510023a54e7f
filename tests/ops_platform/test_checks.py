import pytest
from django.core.checks import Tags, run_checks

from ops_platform.environment import Mistake
from tests.support.databases import ENVIRONMENT


@pytest.fixture(autouse=True)
def _a_sound_configuration(settings):
    settings.SECRET_KEY = ENVIRONMENT["SECRET_KEY"]
    settings.ALLOWED_HOSTS = ["logs.example.com"]
    settings.DEBUG = False


def messages():
    return [message for tag in (Tags.security, Tags.files) for message in run_checks(tags=[tag])]


def told():
    return {message.id for message in messages()}


@pytest.mark.parametrize("hosts", [["logs.example.com"], [".example.com", "10.0.0.7", "[::1]"]])
def test_a_sound_configuration_passes(settings, hosts):
    settings.ALLOWED_HOSTS = hosts
    assert told() == set()


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("SECRET_KEY", "", "ops_platform.E002"),
        ("SECRET_KEY", "short", "ops_platform.E003"),
        ("SECRET_KEY", "a" * 60, "ops_platform.E003"),
        ("SECRET_KEY", "django-insecure-" + ENVIRONMENT["SECRET_KEY"], "ops_platform.E003"),
        ("ALLOWED_HOSTS", [], "ops_platform.E004"),
        ("ALLOWED_HOSTS", ["logs.example.com", "*"], "ops_platform.E004"),
        ("ALLOWED_HOSTS", ["http://logs.example.com"], "ops_platform.E004"),
        ("ALLOWED_HOSTS", ["logs.example.com:8000"], "ops_platform.E004"),
        ("ALLOWED_HOSTS", ["*.example.com"], "ops_platform.E004"),
        ("DEBUG", True, "ops_platform.E005"),
        ("ENVIRONMENT_MISTAKES", [Mistake("DEBUG", "must be on or off")], "ops_platform.E001"),
    ],
)
def test_what_is_unsafe_in_production_is_an_error_with_a_hint(settings, name, value, identifier):
    setattr(settings, name, value)
    (message,) = messages()
    assert message.id == identifier
    assert message.is_serious()
    assert message.hint


@pytest.mark.parametrize("hosts", [[], ["localhost", "127.0.0.1", "[::1]"]])
def test_debug_mode_is_for_local_hosts(settings, hosts):
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = hosts
    assert told() == set()


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_a_directory_that_sqlite_cannot_write_to_is_an_error(settings, tmp_path):
    settings.DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "missing" / "db.sqlite3")}
    }
    assert told() == {"ops_platform.E006"}
