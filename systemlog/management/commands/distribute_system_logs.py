"""`manage.py distribute_system_logs`: distribute an existing log over a Citus cluster, or bring it back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connections, transaction

from systemlog.conf import conf
from systemlog.management.terminal import TerminalCommand, first_line
from systemlog.models import SystemLogRollup
from systemlog.storage.postgresql import citus


class Command(TerminalCommand):
    """Distributes the tables of the log, or brings them back to the coordinator."""

    help = (
        "Distribute the tables of an existing system log over the nodes of its Citus cluster, with their records, or "
        "with --undo bring them back to the coordinator. Writers wait meanwhile. Set SYSTEMLOG['CITUS'] to match."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the direction."""
        parser.add_argument("--undo", action="store_true", help="bring the tables back to the coordinator")

    def handle(self, *args: Any, **options: Any) -> None:
        """Move the tables in one transaction. Without anything to move, do nothing."""
        connection = connections[conf().DATABASE]
        if connection.vendor != "postgresql":
            raise CommandError(f"SYSTEMLOG['DATABASE'] is {connection.vendor}: only PostgreSQL can be a Citus cluster.")
        try:
            if options["undo"]:
                with connection.schema_editor() as schema_editor:
                    citus.undistribute(schema_editor, SystemLogRollup)
            else:
                with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                    citus.distribute(cursor)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        self.stdout.write(f"system_logs is {'not ' if options['undo'] else ''}distributed.")
