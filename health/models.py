"""No table: only what the permission to see details hangs on."""

from __future__ import annotations

from django.db import models


class Details(models.Model):
    """The details of the probes; whoever has `health.view_details` may see them."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = verbose_name_plural = "probe details"

    def __str__(self) -> str:
        """The name of what may be seen."""
        return "probe details"
