"""What differs by database; nothing else knows a vendor."""

from systemlog.records.row import Row
from systemlog.storage.base import BudgetSpent, Storage
from systemlog.storage.checkpoints import Slice
from systemlog.storage.choice import storage_of
from systemlog.storage.steps import LeafInUse

__all__ = ["BudgetSpent", "LeafInUse", "Row", "Slice", "Storage", "storage_of"]
