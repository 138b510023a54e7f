"""Triggers stay in step with the tables that a project's migrations make, change and rename."""

from __future__ import annotations

import pytest

from tests.audit.projects import Run

FIRST = """
    from django.db import models

    class Order(models.Model):
        name = models.CharField(max_length=20)
        old = models.CharField(max_length=20, default="x")
        tags = models.ManyToManyField("Tag")

    class Tag(models.Model):
        name = models.CharField(max_length=20)
"""
SECOND = """
    from django.db import models

    class Purchase(models.Model):
        number = models.BigAutoField(primary_key=True)
        title = models.TextField(default="")
        count = models.IntegerField(default=1)
        tags = models.ManyToManyField("Tag")

    class Tag(models.Model):
        name = models.CharField(max_length=20)
"""
INITIAL = """
    from django.db import migrations, models

    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel("Tag", [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("name", models.CharField(max_length=20)),
            ]),
            migrations.CreateModel("Order", [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("name", models.CharField(max_length=20)),
                ("old", models.CharField(max_length=20, default="x")),
                ("tags", models.ManyToManyField("shop.Tag")),
            ]),
        ]
"""
MIGRATION = """
    import os

    from django.db import migrations, models

    def fill(apps, editor):
        apps.get_model("shop", "Order").objects.update(count=2)

    def fill_again(apps, editor):
        apps.get_model("shop", "Purchase").objects.update(title="z")
        if os.environ.get("FAILS"):
            raise ValueError("half-way")

    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [
            migrations.AddField("order", "count", models.IntegerField(default=1)),
            migrations.RemoveField("order", "old"),
            migrations.RunPython(fill, migrations.RunPython.noop),
            migrations.AlterField("order", "name", models.TextField(default="")),
            migrations.RenameField("order", "name", "title"),
            migrations.RenameModel("Order", "Purchase"),
            migrations.RenameField("purchase", "id", "number"),
            migrations.AlterField("purchase", "number", models.BigAutoField(primary_key=True)),
            migrations.RunPython(fill_again, migrations.RunPython.noop),
        ]
"""
ORDER = {"shop.Order": {}, "shop.Tag": {}}
PURCHASE = {"shop.Purchase": {}, "shop.Tag": {}}


@pytest.fixture
def run(run_in_project: Run) -> Run:
    """A function that runs code in a project of an order with tags."""
    first = {"models": FIRST, "migrations": {"0001_initial": INITIAL}}
    return lambda code, **more: run_in_project(code, **{**first, **more})


def test_migrations_pass_and_are_recorded_with_triggers_in_place(run: Run) -> None:
    made = """
        migrate()
        from shop.models import Order
        Order.objects.create(name="a").tags.create(name="t")
        result = complaints()
    """
    assert run(made, audit=ORDER) == []
    changed = """
        os.environ["FAILS"] = "yes"
        try:
            migrate()
        except ValueError:
            del os.environ["FAILS"]
        migrate()
        from shop.models import Purchase
        Purchase.objects.update(title="b")
        Purchase.objects.get().tags.clear()
        result = complaints(), told()
    """
    complaints, records = run(changed, audit=PURCHASE, models=SECOND, migrations={"0002_more": MIGRATION})
    assert complaints == []
    assert ["audit.update", "shop.purchase:1", {"title": ["a", "z"]}] in records
    assert records[-2:] == [
        ["audit.update", "shop.purchase:1", {"title": ["z", "b"]}],
        ["audit.update", "shop.purchase:1", {"tags": {"added": [], "removed": [1]}}],
    ]
    counts = [changes["count"] for category, _, changes in records if category == "audit.update" and "count" in changes]
    assert counts == [[1, 2]], "a data migration under the old name"


def test_drift_is_warned_of_and_mended_by_migrate(run: Run) -> None:
    assert run("result = complaints()", audit=ORDER) == ["systemlog.W110"], "the tables are not there yet"
    assert run("migrate(); result = complaints()", audit={}) == []
    mended = "before = complaints(); migrate(); result = before, complaints()"
    assert run(mended, audit=ORDER) == [["systemlog.W110"], []]
    assert run(mended, audit={"shop.Order": {"mask": ["name"]}}) == [["systemlog.W110"], []]
    left = """
        migrate()
        from shop.models import Order
        Order.objects.create(name="a")
        result = told()
    """
    assert run(left, audit={}) == [], "a model that left the setting is audited no longer"


ODD = {
    "0001_initial": """
        from django.db import migrations, models

        class Migration(migrations.Migration):
            initial = True
            operations = [
                migrations.CreateModel(
                    "Order",
                    [
                        ("id", models.BigAutoField(primary_key=True)),
                        ("name", models.CharField(max_length=20, db_column="Full Name")),
                        ("old", models.CharField(max_length=20, default="x", db_column="Old Name")),
                    ],
                    options={"db_table": "Orders of (2026)"},
                ),
            ]
    """,
    "0002_more": """
        from django.db import migrations, models

        class Migration(migrations.Migration):
            dependencies = [("shop", "0001_initial")]
            operations = [
                migrations.RemoveField("order", "old"),
                migrations.RunSQL('''/* why */ ALTER TABLE "Orders of (2026)" RENAME COLUMN "Full Name" TO "Name"'''),
                migrations.RunSQL('''UPDATE "Orders of (2026)" SET "Name" = 'by a migration' WHERE id = 1'''),
            ]
    """,
}
ODD_MODELS = """
    from django.db import models

    class Order(models.Model):
        name = models.CharField(max_length=20, db_column="Full Name")
        old = models.CharField(max_length=20, default="x", db_column="Old Name")

        class Meta:
            db_table = "Orders of (2026)"
"""


def test_a_table_and_columns_whose_names_must_be_quoted_pass(run_in_project: Run) -> None:
    audit = {"shop.Order": {}}
    first = """
        migrate()
        from shop.models import Order
        Order.objects.create(name="a")
        result = complaints()
    """
    assert run_in_project(first, audit=audit, models=ODD_MODELS, migrations={"0001_initial": ODD["0001_initial"]}) == []
    models = "\n".join(line for line in ODD_MODELS.splitlines() if "Old" not in line).replace("Full Name", "Name")
    complaints, records = run_in_project(
        "migrate(); result = complaints(), told()",
        audit=audit,
        models=models,
        migrations={"0002_more": ODD["0002_more"]},
    )
    assert complaints == []
    assert records[-1] == ["audit.update", "shop.order:1", {"name": ["a", "by a migration"]}]


SQUASHED = INITIAL.replace("initial = True", "replaces = [('shop', '0001_initial'), ('shop', '0002_more')]")
HALF = """
    import os

    from django.db import migrations, models

    def fail(apps, editor):
        apps.get_model("shop", "Tag").objects.update(name="by a migration")
        if os.environ.get("FAILS"):
            raise ValueError("half-way")

    class Migration(migrations.Migration):
        atomic = False
        dependencies = [("shop", "0001_initial")]
        operations = [
            migrations.AlterField("tag", "name", models.CharField(max_length=LENGTH)),
            migrations.RunPython(fail, migrations.RunPython.noop),
            migrations.AlterField("tag", "name", models.CharField(max_length=30)),
        ]
"""
WRITES = """
    migrate()
    from shop.models import Tag
    Tag.objects.create(name="last")
    result = complaints(), told()[-1][2]["name"]
"""


def test_squashed_migrations_pass_with_triggers_in_place(run: Run) -> None:
    for migrations in (
        {"0001_initial": INITIAL, "0002_more": HALF.replace("LENGTH", "30")},
        {"0001_squashed": SQUASHED},
    ):
        assert run(WRITES, audit=ORDER, migrations=migrations) == [[], [None, "last"]]


def test_a_migration_that_fails_half_way_is_mended_by_the_next(run: Run) -> None:
    run("migrate(); result = 0", audit=ORDER)
    failing = """
        from shop.models import Tag
        Tag.objects.create(name="first")
        os.environ["FAILS"] = "yes"
        try:
            migrate()
        except ValueError:
            result = "failed"
    """
    half = {"0002_more": HALF.replace("LENGTH", "25")}
    assert run(failing, audit=ORDER, migrations=half) == "failed"
    assert run(WRITES, audit=ORDER, migrations=half) == [[], [None, "last"]]
    (changed,) = run("result = [each for each in told() if each[0] == 'audit.update']", audit=ORDER)
    assert changed[2] == {"name": ["first", "by a migration"]}, "the migration that failed was not atomic"


def test_other_databases_have_an_outbox_of_their_own(run: Run) -> None:
    settings = """
        DATABASES["archive"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "archive.sqlite3"}
    """
    code = """
        migrate()
        call_command("migrate", database="archive", verbosity=0)
        from shop.models import Tag
        Tag.objects.using("archive").create(name="there")
        Tag.objects.create(name="here")
        result = [changes["name"][1] for _, _, changes in told()], databases()
    """
    names, databases = run(code, audit=ORDER, settings=settings)
    assert sorted(names) == ["here", "there"]
    assert sorted(databases, key=str) == [None, "archive"]
