"""Migration operations: a table that is partitioned on PostgreSQL, and SQL for one vendor."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.db import NotSupportedError, migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from systemlog.compat import creating_partitioned, forget_rendered_models

VENDORS = ("postgresql", "sqlite")


class CreatePartitionedModel(migrations.CreateModel):
    """A CreateModel whose table has the primary key `(partition_by, <pk>)`. PostgreSQL partitions it by that column.

    In the migration state, `<pk>` is the primary key. Operations that rebuild the table on SQLite, such as AlterField,
    follow the state, and would lose the composite key. Raises `NotSupportedError` on vendors other than PostgreSQL and
    SQLite.
    """

    # Django writes migrations by the signature of this method; with **kwargs it would lose `options`.
    def __init__(
        self,
        name: str,
        fields: list[tuple[str, models.Field[Any, Any]]],
        options: dict[str, Any] | None = None,
        bases: Sequence[type[models.Model] | str] | None = None,
        managers: Sequence[tuple[str, models.Manager[Any]]] | None = None,
        *,
        partition_by: str,
    ) -> None:
        self.partition_by = partition_by
        super().__init__(name, fields, options, bases, managers)

    def deconstruct(self) -> Any:
        """Return the arguments of CreateModel, and `partition_by`."""
        name, args, kwargs = super().deconstruct()
        return name, args, {**kwargs, "partition_by": self.partition_by}

    def reduce(self, operation: Operation, app_label: str) -> Any:
        """Reduce like CreateModel, but never to a CreateModel: squashing would silently drop the partitioning."""
        reduced = super().reduce(operation, app_label)
        if isinstance(reduced, list) and any(type(one) is migrations.CreateModel for one in reduced):
            return False
        return reduced

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Create the table with Django's schema editor, from a copy of the state that has the composite key."""
        vendor = schema_editor.connection.vendor
        if vendor not in VENDORS:
            raise NotSupportedError(
                f"The system log cannot be stored in {vendor}: point SYSTEMLOG['DATABASE'] at PostgreSQL or SQLite."
            )
        shadow = to_state.clone()
        state = shadow.models[app_label, self.name_lower]
        key = next(name for name, field in state.fields.items() if field.primary_key)
        plain = state.fields[key].clone()
        plain.primary_key = False
        composite = models.CompositePrimaryKey(self.partition_by, key)
        state.fields = {"pk": composite, **state.fields, key: plain}
        # Models that were rendered before (`migrate zero`, then `migrate`) still have the old key.
        forget_rendered_models(shadow)
        with creating_partitioned(schema_editor, self.partition_by) if vendor == "postgresql" else nullcontext():
            super().database_forwards(app_label, schema_editor, from_state, shadow)


class VendorSQL(migrations.RunPython):
    """Runs SQL statements on one vendor only. The statements of `reverse` undo them."""

    def __init__(self, vendor: str, forwards: Sequence[str], reverse: Sequence[str] = ()) -> None:
        self.vendor, self.forwards, self.reverse = vendor, forwards, reverse
        super().__init__(self._runner(forwards), self._runner(reverse))

    def deconstruct(self) -> Any:
        """Return the three arguments."""
        return type(self).__name__, [self.vendor, self.forwards, self.reverse], {}

    def _runner(self, statements: Sequence[str]) -> Any:
        def run(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
            if schema_editor.connection.vendor == self.vendor:
                for statement in statements:
                    schema_editor.execute(statement, params=None)

        return run
