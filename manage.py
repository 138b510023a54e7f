#!/usr/bin/env python
"""Django's command line for the platform."""

import os
import sys


def main() -> None:
    """Run the command named in `sys.argv`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed for this Python. `make run` sets up .venv; use .venv/bin/python manage.py."
        ) from error
    from ops_platform.private_files import restrict_new_files
    from systemlog.landing.commands import command_run

    restrict_new_files()

    with command_run():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
