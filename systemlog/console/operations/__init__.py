"""The page of operations: what works, what waits and what will be deleted, each in a part that fails alone."""

from systemlog.console.operations.registry import Part, register
from systemlog.console.operations.report import Cell, Fact, Report, State, Table

__all__ = ["Cell", "Fact", "Part", "Report", "State", "Table", "register"]
