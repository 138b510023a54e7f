import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from systemlog.conf import conf


def test_the_suite_runs_on_the_database_that_was_asked_for(pytestconfig):
    assert connections["default"].vendor == pytestconfig.getoption("db")


@pytest.mark.django_db
def test_a_test_may_use_every_alias():
    get_user_model().objects.create_user("somebody")
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
