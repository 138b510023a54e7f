"""Undocumented parts of Django that the storages use behave as the storages expect."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, connections, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F

from systemlog.compat import (
    creating_partitioned,
    forget_rendered_models,
    select_from_function,
    separate_connection,
    wrapped_errors,
)
from systemlog.conf import conf
from systemlog.models import SystemLog

on_postgresql = pytest.mark.skipif(
    "connections[conf().DATABASE].vendor != 'postgresql'", reason="needed on PostgreSQL only"
)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_separate_connection_commits_by_itself_and_rolls_back_when_it_is_closed() -> None:
    def count() -> int:
        with connections[conf().DATABASE].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM system_log_checkpoint")
            return int(cursor.fetchone()[0])

    insert = "INSERT INTO system_log_checkpoint VALUES (gen_random_uuid(), 0, now())"
    with separate_connection(connections[conf().DATABASE]) as own, own.cursor() as cursor:
        cursor.execute(insert)
        assert count() == 0
        own.commit()
        assert count() == 1
        cursor.execute(insert)
    assert count() == 1
    assert own.connection is None, "it is closed"


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_errors_of_copy_are_those_of_django() -> None:
    alias = conf().DATABASE
    with (
        connections[alias].cursor() as cursor,
        pytest.raises(DatabaseError) as raised,
        wrapped_errors(connections[alias]),
        cursor.copy("COPY system_log_checkpoint FROM STDIN") as copy,
    ):
        copy.write(b"no uuid\n")
    assert type(raised.value).__module__ == "django.db.utils"


@on_postgresql
@pytest.mark.django_db
def test_a_query_selects_from_a_function_in_place_of_its_table() -> None:
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION logs_of(wanted text) RETURNS SETOF system_logs LANGUAGE plpgsql"
            " AS 'BEGIN RETURN QUERY SELECT * FROM system_logs WHERE category = wanted; END'"
        )
    for category in ("a", "b", "b"):
        SystemLog.objects.create(message="m", category=category)
    found = select_from_function(SystemLog.objects.filter(message="m"), "logs_of", ["b"])
    assert [record.category for record in found.order_by("timestamp")] == ["b", "b"]
    assert found.annotate(level_again=F("level")).count() == 2
    assert SystemLog.objects.filter(id__in=found.values("id")).count() == 2, "in a subquery, by another alias"
    assert SystemLog.objects.count() == 3, "other queries read the table"


class Sample(models.Model):
    day = models.DateField(primary_key=True)

    class Meta:
        app_label = "compat_samples"

    def __str__(self) -> str:
        return str(self.day)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_only_tables_created_in_the_block_are_partitioned() -> None:
    def kind() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass('compat_samples_sample')")
            return str(cursor.fetchone()[0])

    with connection.schema_editor() as editor:
        with creating_partitioned(editor, "day"):
            editor.create_model(Sample)
        assert kind() == "p"
        editor.delete_model(Sample)
        editor.create_model(Sample)
        assert kind() == "r"
        editor.delete_model(Sample)


def test_a_changed_migration_state_is_rendered_again() -> None:
    state = ProjectState()
    state.add_model(ModelState("samples", "Thing", [("id", models.IntegerField(primary_key=True))]))
    assert [field.name for field in state.apps.get_model("samples", "Thing")._meta.fields] == ["id"]
    state.models["samples", "thing"].fields["name"] = models.TextField()
    forget_rendered_models(state)
    assert [field.name for field in state.apps.get_model("samples", "Thing")._meta.fields] == ["id", "name"]
