"""What is masked or excluded stays hidden while migrations rename it, and changes between them are recorded."""

from __future__ import annotations

from tests.audit.projects import Run

MODELS = """
    from django.db import models

    class {name}(models.Model):
        status = models.CharField(max_length=20, default="new")
        {field} = models.CharField(max_length=20, default="")

    class Tag(models.Model):
        name = models.CharField(max_length=20)
"""
INITIAL = """
    from django.db import migrations, models

    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel("Order", [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("status", models.CharField(max_length=20, default="new")),
                ("note", models.CharField(max_length=20, default="")),
            ]),
            migrations.CreateModel("Tag", [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("name", models.CharField(max_length=20)),
            ]),
        ]
"""
RENAMING = """
    from django.db import migrations, models

    def write(model, field, text):
        def run(apps, editor):
            apps.get_model("shop", "Tag").objects.update(name=text[:-1])
            apps.get_model("shop", model).objects.update(**{field: text, "status": text[:-1]})

        return migrations.RunPython(run, migrations.RunPython.noop)

    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [
            write("Order", "note", "first!"),
            migrations.RenameField("order", "note", "aside"),
            write("Order", "aside", "second!"),
            migrations.RenameModel("Order", "Purchase"),
            write("Purchase", "aside", "third!"),
            migrations.RenameField("purchase", "id", "number"),
            write("Purchase", "aside", "fourth!"),
            migrations.RenameField("purchase", "aside", "remark"),
            write("Purchase", "remark", "fifth!"),
        ]
"""


def test_a_masked_column_is_masked_under_each_of_its_names(run_in_project: Run) -> None:
    made = """
        migrate()
        from shop.models import Order, Tag
        Tag.objects.create(name="t")
        Order.objects.create(note="none!")
        result = complaints()
    """
    audit = {"shop.Order": {"mask": ["note"]}, "shop.Tag": {}}
    models = MODELS.format(name="Order", field="note")
    assert run_in_project(made, audit=audit, models=models, migrations={"0001_initial": INITIAL}) == []

    renamed = """
        migrate()
        from shop.models import Purchase
        Purchase.objects.update(remark="last!", status="last")
        result = complaints(), told()
    """
    audit = {"shop.Purchase": {"mask": ["remark"]}, "shop.Tag": {}}
    models = MODELS.format(name="Purchase", field="remark").replace(
        "status =", "number = models.BigAutoField(primary_key=True)\n        status ="
    )
    found, records = run_in_project(renamed, audit=audit, models=models, migrations={"0002_renames": RENAMING})
    assert found == []
    assert "!" not in str(records), "a value of the masked column"
    states = [changes["status"][1] for _, subject, changes in records if "status" in changes and "tag" not in subject]
    assert states == ["new", "first", "second", "third", "fourth", "fifth", "last"]
