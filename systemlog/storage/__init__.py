"""Storing records in a database. Everything that differs between PostgreSQL, Citus and SQLite is in this package."""

from systemlog.records.row import Row
from systemlog.storage.base import BudgetSpent, Storage
from systemlog.storage.checkpoints import Slice
from systemlog.storage.partitions import PartitionInUse
from systemlog.storage.vendors import get_storage

__all__ = ["BudgetSpent", "PartitionInUse", "Row", "Slice", "Storage", "get_storage"]
