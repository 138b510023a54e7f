"""Records who issued and who withdrew API tokens. The hash of a token, which is its key, stays out of the log."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save
from knox.models import AuthToken

from systemlog.recording import record


def record_issued(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """Receiver of `post_save`: record a new token."""
    if created:
        record("audit.token_issued", "A token was issued", subject=_holder(instance), expiry=instance.expiry)


def record_withdrawn(sender: object, instance: Any, **kwargs: object) -> None:
    """Receiver of `post_delete`: record the deletion of a token."""
    record("audit.token_withdrawn", "A token was withdrawn", subject=_holder(instance), expiry=instance.expiry)


def connect() -> None:
    """Connect the receivers."""
    post_save.connect(record_issued, sender=AuthToken, dispatch_uid="ops_platform.token_issued")
    post_delete.connect(record_withdrawn, sender=AuthToken, dispatch_uid="ops_platform.token_withdrawn")


def _holder(token: Any) -> str:
    return f"{token._meta.get_field('user').related_model._meta.label_lower}:{token.user_id}"
