"""Records of API tokens: who issued and withdrew them. Their hashes, which are their keys, stay out of the log."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save
from knox.models import AuthToken

from systemlog.recording import record


def record_issued(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """Record a token that was made."""
    if created:
        record("audit.token_issued", "A token was issued", subject=_holder(instance), expiry=instance.expiry)


def record_withdrawn(sender: object, instance: Any, **kwargs: object) -> None:
    """Record a token that was deleted."""
    record("audit.token_withdrawn", "A token was withdrawn", subject=_holder(instance), expiry=instance.expiry)


def connect() -> None:
    """Record both from now on."""
    post_save.connect(record_issued, sender=AuthToken, dispatch_uid="ops_platform.token_issued")
    post_delete.connect(record_withdrawn, sender=AuthToken, dispatch_uid="ops_platform.token_withdrawn")


def _holder(token: Any) -> str:
    return f"{token._meta.get_field('user').related_model._meta.label_lower}:{token.user_id}"
