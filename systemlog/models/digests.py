"""The models of the digests: the signed statements, the notes of late records, and the hours that are sealed."""

from __future__ import annotations

from django.db import models


class Digest(models.Model):
    """A signed statement about the records of an hour. Only the line is verified; the other columns find it."""

    number = models.BigIntegerField(primary_key=True)
    kind = models.TextField()
    hour = models.DateTimeField(null=True)
    line = models.TextField()

    class Meta:
        db_table = "system_log_digest"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class LateNote(models.Model):
    """A signed note of records that were stored into a sealed hour. It is kept until a digest includes them."""

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    line = models.TextField()

    class Meta:
        db_table = "system_log_late_note"
        default_permissions = ()
        indexes = [models.Index(fields=["hour"], name="system_log_late_note_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}"


class DigestFrontier(models.Model):
    """A single row that tells writers which hours are closed: records stored into them need a note.

    It is used for nothing else. Tampering with it can only cause records to be reported as late.
    """

    id = models.SmallIntegerField(primary_key=True)
    until = models.DateTimeField()
    log = models.TextField()

    class Meta:
        db_table = "system_log_digest_frontier"
        default_permissions = ()

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H}"
