"""Triggers stay in step with the tables that a project's migrations make, change and rename."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import fresh_platform

Run = Callable[..., Any]

SETTINGS = """
    import os
    from pathlib import Path
    from ops_platform.environment import database

    BASE_DIR = Path(__file__).parent.parent
    SECRET_KEY = "of-the-tests"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    DATABASES = {"default": database(os.environ["DATABASE_URL"])}
    if "sqlite" in os.environ["DATABASE_URL"]:
        DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
    DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "systemlog", "shop"]
    SYSTEMLOG = {"SOURCE": "shop", "AUDIT": AUDIT}
    SILENCED_SYSTEM_CHECKS = ["systemlog.W031", "systemlog.W040"]
"""
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
PRELUDE = """
import json, os
import django
django.setup()
from django.core.checks import run_checks
from django.core.management import call_command
from systemlog.models import SystemLog

def migrate():
    call_command("migrate", verbosity=0)

def complaints():
    return [each.id for each in run_checks(databases=["default"]) if each.id.startswith("systemlog.W11")]

def told():
    call_command("land_system_logs", once=True, verbosity=0)
    found = SystemLog.objects.filter(category__startswith="audit.").order_by("timestamp", "id")
    return [[record.category, record.subject, record.context.get("changes")] for record in found]
"""
ORDER = {"shop.Order": {}, "shop.Tag": {}}
PURCHASE = {"shop.Purchase": {}, "shop.Tag": {}}


@pytest.fixture
def run(tmp_path: Path, postgresql_url: str | None) -> Iterator[Run]:
    """Runs code in a project with these models and this `AUDIT`; gives what its last line leaves in `result`."""
    with fresh_platform(tmp_path / "platform", postgresql_url) as platform:
        environment = {name: value for name, value in os.environ.items() if name != "SYSTEMLOG_JOURNAL"}
        environment["DATABASE_URL"] = platform.environment.get("DATABASE_URL") or f"sqlite:///{tmp_path / 'db.sqlite3'}"
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "DJANGO_SETTINGS_MODULE": "shop.settings"}
        (tmp_path / "shop/migrations").mkdir(parents=True)
        for path, text in {
            "__init__.py": "",
            "migrations/__init__.py": "",
            "migrations/0001_initial.py": INITIAL,
        }.items():
            (tmp_path / "shop" / path).write_text(textwrap.dedent(text))

        def run(code: str, *, audit: Any, models: str = FIRST, migration: str = "") -> Any:
            (tmp_path / "shop/settings.py").write_text(textwrap.dedent(SETTINGS).replace("AUDIT}", f"{audit!r}}}"))
            (tmp_path / "shop/models.py").write_text(textwrap.dedent(models))
            if migration:
                (tmp_path / "shop/migrations/0002_more.py").write_text(textwrap.dedent(migration))
            script = PRELUDE + textwrap.dedent(code) + "\nprint(json.dumps(result))\n"
            done = subprocess.run(
                [sys.executable, "-c", script],
                check=False,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        yield run


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
    complaints, records = run(changed, audit=PURCHASE, models=SECOND, migration=MIGRATION)
    assert complaints == []
    assert ["audit.update", "shop.purchase:1", {"title": ["a", "z"]}] in records
    assert records[-2:] == [
        ["audit.update", "shop.purchase:1", {"title": ["z", "b"]}],
        ["audit.update", "shop.purchase:1", {"tags": {"added": [], "removed": [1]}}],
    ]
    counts = [changes["count"] for category, _, changes in records if category == "audit.update" and "count" in changes]
    assert counts == [[1, 2]], "a data migration under the old name"


def test_drift_is_warned_of_and_mended_by_migrate(run: Run) -> None:
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
