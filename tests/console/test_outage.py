"""The admin answers when the log cannot be read."""

from __future__ import annotations

import uuid

import pytest
from django.db import connections
from django.test import Client

from systemlog.conf import conf
from tests.support.console import LIST, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_that_cannot_be_read(db: None) -> None:
    """Rename the table until the test's transaction is rolled back."""
    connection = connections[conf().DATABASE]
    if connection.vendor != "sqlite":
        pytest.skip("After an error, PostgreSQL answers nothing more in the transaction of a test.")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE system_logs RENAME TO secret_name")


@pytest.mark.usefixtures("log_that_cannot_be_read")
@pytest.mark.parametrize("path", [LIST, f"{LIST}{uuid.UUID(int=7)}/change/"], ids=["list", "record"])
def test_it_is_a_message_with_the_correlation_id_and_no_traceback(
    client: Client, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    response = client.get(path)
    assert response.status_code == 503
    text = page_of(response).text
    assert "The database of the log does not answer." in text
    assert response["X-Request-ID"] in text
    assert "no such table" not in text
    assert "admin_read_failed" in [getattr(record, "action", None) for record in caplog.records]
