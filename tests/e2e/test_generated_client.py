"""A client generated from the OpenAPI document; `python -m tests.clients` tries the other generators."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.__main__ import call_with
from tests.support.servers import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]


def test_a_generated_client_makes_every_call(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("client")
    call_with("openapi-python-client", folder, platform)
