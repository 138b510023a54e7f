"""What differs by database; nothing else knows a vendor."""

from systemlog.storage.choice import storage_of
from systemlog.storage.interface import BudgetSpent, LeavesInUse, Storage
from systemlog.storage.landing import Slice
from systemlog.storage.rows import Row

__all__ = ["BudgetSpent", "LeavesInUse", "Row", "Slice", "Storage", "storage_of"]
