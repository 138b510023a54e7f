"""The log table on a Citus cluster: distributed by `id`, so that each leaf is as many shards, on as many nodes.

Clients talk to the coordinator alone. Statements on the table are PostgreSQL's own; what a cluster knows not, or does
otherwise, stands here:

- No trigger may touch another table, so writers count for the roll-up themselves. That is one shard on one worker: a
  reader sees either all of a transaction there or nothing, which nodes do not promise each other.
- There is no snapshot of the whole table, no `ctid`, and no trigger that keeps late rows. So a leaf is never copied
  under inserts to be put in its own place: of a mixed one, rows are deleted. Leaves are merged by putting the copy in
  place first, and moving over afterwards what came late.
"""

from systemlog.storage.postgresql.citus.distribution import distribute, is_distributed, undistribute
from systemlog.storage.postgresql.citus.store import CitusStorage

__all__ = ["CitusStorage", "distribute", "is_distributed", "undistribute"]
