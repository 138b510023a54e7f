"""The current settings, which each request reads several times."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.test.utils import override_settings
from pytest_django.fixtures import Settings as SettingsFixture

from systemlog.conf import Settings, conf


def test_a_project_without_the_setting_has_the_defaults_until_it_sets_it(settings: SettingsFixture) -> None:
    del settings.SYSTEMLOG
    assert conf() == conf() == Settings()

    settings.SYSTEMLOG = {"ACCESS_LOG": True}
    assert conf().ACCESS_LOG


def test_an_override_counts_as_long_as_it_lasts() -> None:
    before = conf()
    with override_settings(SYSTEMLOG={"ACCESS_LOG": True}):
        assert conf().ACCESS_LOG
        with override_settings(SYSTEMLOG={}):
            assert not conf().ACCESS_LOG
        assert conf().ACCESS_LOG
    assert conf() == before


def test_a_dictionary_put_there_by_hand_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    conf()
    monkeypatch.setattr(django_settings, "SYSTEMLOG", {"ACCESS_LOG": True})

    assert conf().ACCESS_LOG
