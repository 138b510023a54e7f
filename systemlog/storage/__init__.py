"""What differs by database; nothing else knows a vendor."""

from systemlog.storage.choice import storage_of
from systemlog.storage.interface import BudgetSpent, Storage
from systemlog.storage.rows import Row
from systemlog.storage.steps import LeafInUse

__all__ = ["BudgetSpent", "LeafInUse", "Row", "Storage", "storage_of"]
