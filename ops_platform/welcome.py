"""The first start: creating an administrator and a token, so that everything can be tried at once."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model
from django.db import transaction

from ops_platform import tokens

ADMINISTRATOR = "admin"
SERVICE = "first-token"


def prepare(url: str) -> str:
    """Create an administrator and a token if there is no user yet. Return the text for the terminal."""
    users = get_user_model().objects
    if users.exists():
        return f"The platform serves at {url}/docs and {url}/admin/."
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        users.create_superuser(ADMINISTRATOR, password=password)
        token = tokens.issue(SERVICE, tokens.PERMISSIONS)
    return f"""
First start. This is shown only once:

  API documentation   {url}/docs
  Administration      {url}/admin/   user {ADMINISTRATOR}, password {password}
  API token           {token}

  curl {url}/system/logs/ -H "Authorization: Bearer {token}" --json '{{"message": "hello"}}'
  curl {url}/system/logs/ -H "Authorization: Bearer {token}"
"""
