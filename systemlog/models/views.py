"""The model of the saved views of the console."""

from __future__ import annotations

import uuid

from django.db import models


class SavedView(models.Model):
    """A search that a user has saved under a name: a private one, or a `shared` one for all who may read the log.

    The table is in the database of the users. `owner` is the key of a user as text, because an app without
    `django.contrib.auth` has no users to refer to.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    query = models.TextField(blank=True, help_text="The query string of the search.")
    owner = models.CharField(max_length=100, db_index=True, editable=False)
    shared = models.BooleanField(default=False, db_index=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "system_log_saved_view"
        ordering = ["name", "id"]
        verbose_name = "saved view"

    def __str__(self) -> str:
        return self.name
