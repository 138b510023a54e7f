"""What differs by database; nothing else knows a vendor."""

from systemlog.storage.choice import storage_of
from systemlog.storage.interface import BudgetSpent, Storage
from systemlog.storage.landing import Slice
from systemlog.storage.rows import Row
from systemlog.storage.steps import LeafInUse

__all__ = ["BudgetSpent", "LeafInUse", "Row", "Slice", "Storage", "storage_of"]
