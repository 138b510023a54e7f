"""`manage.py system_log_partitions`: list the partitions of the system log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.management.terminal import TerminalCommand, first_line
from systemlog.storage import get_storage

HEAD = ("PARTITION", "FROM", "TO", "ROWS", "BYTES", "STATE")
NUMBERS = (3, 4)


class Command(TerminalCommand):
    """Prints a table of the partitions, newest first."""

    help = "List the partitions of the system log: span, estimated rows, bytes with indexes, and state."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write a line for each partition, and the sums."""
        try:
            reports = get_storage().partitions()
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        lines = [HEAD]
        for partition, rows, size, state in reports:
            lower, upper = (f"{bound:%Y-%m-%dT%H:%M:%SZ}" for bound in partition.span)
            lines.append((partition.name, lower, upper, str(rows), str(size), state.value))
        rows_in_all = sum(report.rows for report in reports)
        bytes_in_all = sum(report.total_bytes for report in reports)
        lines.append((f"{len(reports)} in all", "", "", str(rows_in_all), str(bytes_in_all), ""))
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        for line in lines:
            cells = [
                cell.rjust(width) if column in NUMBERS else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            self.stdout.write("  ".join(cells).rstrip())
