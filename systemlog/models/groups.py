"""The models of the error groups: groups, appended counts, users and events."""

from __future__ import annotations

from django.db import models

from systemlog.storage.group_counts import DELTAS, EVENTS, GROUPS, USERS

CHANGE_GROUP_PERMISSION = "systemlog.change_group"


class State(models.TextChoices):
    """The state of a group: what people decided about it, or that its error came back."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    REGRESSED = "regressed"


class Kind(models.TextChoices):
    """What identifies the records of a group."""

    EXCEPTION = "exception"
    MESSAGE = "message"
    OTHER = "other"
    """Records of the new errors of one source that has made too many groups in an hour."""


class Group(models.Model):
    """An error group: the numbers and the state of all records of one error. docs/groups.md describes the columns."""

    id = models.TextField(primary_key=True)
    kind = models.TextField(choices=Kind.choices)
    title = models.TextField()
    category = models.TextField()
    source = models.TextField(help_text="The source of the record that made the group.")
    level = models.TextField()
    state = models.TextField(choices=State.choices, default=State.OPEN)
    first_seen = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    count = models.BigIntegerField(default=0, help_text="The number of records that are stored.")
    pruned = models.BigIntegerField(default=0, help_text="The number of records that retention has removed.")
    users = models.IntegerField(default=0, help_text="The number of different users, as far as they are counted.")
    releases = models.JSONField(default=list)
    resolved_at = models.DateTimeField(null=True)
    resolved_in = models.TextField(null=True, help_text="The release that has the correction.")
    assigned_to = models.TextField(null=True, help_text="The key of a user.")
    algorithm = models.IntegerField(help_text="The number of the rules that made the id.")
    alias_of = models.TextField(null=True, help_text="The id that newer rules give to the records of this group.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = GROUPS
        default_permissions = ("change",)
        verbose_name = "error group"
        indexes = [
            models.Index(fields=["-last_seen", "-id"], name="system_log_group_seen"),
            models.Index(fields=["source", "created_at"], name="system_log_group_source"),
        ]

    def __str__(self) -> str:
        return self.title


class GroupDelta(models.Model):
    """Counts of records of one group that a writer stored or deleted. `systemlog.groups` adds them up.

    A writer appends them in the transaction of its records. It does not update the group, because that would block all
    other writers until its transaction ends.
    """

    id = models.BigAutoField(primary_key=True)
    group_id = models.TextField()
    source = models.TextField()
    level = models.TextField()
    release = models.TextField(null=True)
    count = models.BigIntegerField(help_text="Negative for deleted records.")
    first_seen = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    users = models.JSONField(null=True)
    kind = models.TextField(null=True)
    title = models.TextField(null=True)
    category = models.TextField(null=True)

    class Meta:
        db_table = DELTAS
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.count:+} of {self.group_id}"


class GroupUser(models.Model):
    """The hash of a user who had the error of a group."""

    pk = models.CompositePrimaryKey("group_id", "user")
    group_id = models.TextField()
    user = models.BigIntegerField()

    class Meta:
        db_table = USERS
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user} of {self.group_id}"


class GroupEvent(models.Model):
    """An event of a group: it is new, or has regressed. Events become visible in the order of their ids."""

    class Kind(models.TextChoices):
        """What happened."""

        NEW = "new"
        REGRESSED = "regressed"

    id = models.BigAutoField(primary_key=True)
    group_id = models.TextField()
    kind = models.TextField(choices=Kind.choices)
    at = models.DateTimeField()
    level = models.TextField()
    category = models.TextField()
    source = models.TextField()

    class Meta:
        db_table = EVENTS
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="system_log_group_event_at")]

    def __str__(self) -> str:
        return f"{self.group_id} is {self.kind}"
