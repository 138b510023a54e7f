"""What differs by database; nothing else knows a vendor."""

from systemlog.records.row import Row
from systemlog.storage.base import BudgetSpent, Storage
from systemlog.storage.checkpoints import Slice
from systemlog.storage.choice import get_storage
from systemlog.storage.steps import PartitionInUse

__all__ = ["BudgetSpent", "PartitionInUse", "Row", "Slice", "Storage", "get_storage"]
