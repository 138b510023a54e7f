"""The log table on a Citus cluster. It is distributed by `id`, so that each partition has shards on several nodes.

Clients connect to the coordinator only. Most statements are the same as on PostgreSQL. This package holds the
differences:

- A trigger must not write to another table, so the app itself counts the records that it writes. The roll-up is one
  shard on one worker, because only within a node does a reader see all of a transaction or nothing.
- The cluster has no snapshot of the whole table, no `ctid`, and no trigger that saves late rows. A partition can
  therefore not be rewritten while inserts go on; expired rows are deleted instead. To merge partitions, the merged one
  is attached first, and rows that came late are moved to it afterwards.
"""

from systemlog.storage.postgresql.citus.distribution import distribute, is_distributed, undistribute
from systemlog.storage.postgresql.citus.store import CitusStorage

__all__ = ["CitusStorage", "distribute", "is_distributed", "undistribute"]
