"""The model of the lander's checkpoints."""

from __future__ import annotations

from django.db import models

from systemlog.storage.checkpoints import CHECKPOINTS


class Checkpoint(models.Model):
    """The position up to which a journal segment is stored. It moves in the transaction that stores the records."""

    segment = models.UUIDField(primary_key=True)
    position = models.BigIntegerField(help_text="The byte up to which the segment is stored.")
    moved = models.DateTimeField()

    class Meta:
        db_table = CHECKPOINTS
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.segment} up to {self.position}"
