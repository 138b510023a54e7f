"""A model without a table, which carries the permission `health.view_details`."""

from __future__ import annotations

from django.db import models


class Details(models.Model):
    """The details of the probes. Users with `health.view_details` may see them."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = verbose_name_plural = "probe details"

    def __str__(self) -> str:
        """Return the name that the admin shows."""
        return "probe details"
