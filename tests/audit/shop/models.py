"""Models of a shop that is audited: every kind of field, and every kind of relation."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Upper


class Tag(models.Model):
    """Is hung on orders."""

    name = models.CharField(max_length=50)


class Place(models.Model):
    """A parent of multi-table inheritance."""

    name = models.CharField(max_length=50)


class Depot(Place):
    """A child of it."""

    size = models.IntegerField(default=1)


class Order(models.Model):
    """Has a field of each kind."""

    status = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    paid = models.BooleanField(default=False)
    weight = models.FloatField(null=True)
    number = models.UUIDField(default=uuid.uuid4)
    day = models.DateField(null=True)
    placed = models.DateTimeField(null=True)
    at = models.TimeField(null=True)
    lasts = models.DurationField(null=True)
    data = models.JSONField(default=dict)
    blob = models.BinaryField(null=True)
    scan = models.FileField(null=True)
    place = models.ForeignKey(Place, models.SET_NULL, null=True, db_column="where")
    tags = models.ManyToManyField(Tag)
    updated = models.DateTimeField(auto_now=True)
    password = models.CharField(max_length=50, default="")
    note = models.TextField(default="")
    secret_code = models.CharField(max_length=50, null=True)


class Line(models.Model):
    """Goes with its order; its key is a text."""

    key = models.CharField(max_length=10, primary_key=True)
    order = models.ForeignKey(Order, models.CASCADE)
    count = models.IntegerField(default=1)


class Hurried(Order):
    """Orders by another name."""

    class Meta:
        proxy = True


class Stock(models.Model):
    """Has a key of two parts."""

    pk = models.CompositePrimaryKey("depot", "item")
    depot = models.IntegerField()
    item = models.CharField(max_length=10)
    count = models.IntegerField(default=0)


class Tariff(models.Model):
    """Has a decimal as its key, which the setting excludes."""

    price = models.DecimalField(max_digits=8, decimal_places=2, primary_key=True)
    count = models.IntegerField(default=0)


class Visit(models.Model):
    """Has a key of an instant, bytes, and a long text."""

    pk = models.CompositePrimaryKey("at", "card", "door")
    at = models.DateTimeField()
    card = models.BinaryField()
    door = models.CharField(max_length=300)


class Pass(models.Model):
    """Has a secret as its key."""

    token = models.CharField(max_length=40, primary_key=True)
    count = models.IntegerField(default=0)


class Gate(models.Model):
    """Refers to passes by their keys."""

    owner = models.ForeignKey(Pass, models.CASCADE, null=True)
    guests = models.ManyToManyField(Pass, related_name="+")


class Safe(models.Model):
    """The database computes columns from a hidden one."""

    code = models.CharField(max_length=20)
    loud_code = models.GeneratedField(expression=Upper("code"), output_field=models.TextField(), db_persist=True)
    hint = models.CharField(max_length=20)
    loud_hint = models.GeneratedField(expression=Upper("hint"), output_field=models.TextField(), db_persist=True)
    size = models.IntegerField(default=1)
    area = models.GeneratedField(
        expression=models.F("size") * models.F("size"), output_field=models.IntegerField(), db_persist=True
    )


class Odd(models.Model):
    """Has columns by the names that triggers might use, and a key that changes."""

    code = models.CharField(max_length=10, primary_key=True)
    o = models.IntegerField(default=1)
    n = models.IntegerField(default=1)
    who = models.IntegerField(default=1)
    instant = models.IntegerField(default=1)
    part = models.IntegerField(default=1)
    place = models.IntegerField(default=1)
    old = models.IntegerField(default=1)
    new = models.IntegerField(default=1, db_column="the 'new' {one} $")


class Summary(models.Model):
    """Is for a view, a table without a key, or no table at all: each test makes its own."""

    number = models.IntegerField(primary_key=True)
    count = models.IntegerField(default=1)

    class Meta:
        managed = False


Wide = type(
    "Wide",
    (models.Model,),
    {"__module__": __name__, **{f"field{number}": models.IntegerField(default=number) for number in range(130)}},
)
