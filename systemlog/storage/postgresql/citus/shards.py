"""Rows and bytes of partitions on a Citus cluster, summed up over the shards of all nodes."""

from __future__ import annotations

from collections.abc import Mapping

from systemlog.storage.partitions import PartitionReport

# The tables of the coordinator are empty, so each node is asked for the rows, the bytes of the rows and all bytes of
# its shards.
SHARDS_SQL = """
    SELECT logicalrelid::regclass::text,
        sum(CASE WHEN reltuples > 0 THEN reltuples ELSE pg_stat_get_live_tuples(pg_class.oid) END),
        sum(pg_relation_size(pg_class.oid)), sum(pg_total_relation_size(pg_class.oid))
    FROM pg_dist_shard JOIN pg_dist_placement USING (shardid)
    JOIN pg_class ON pg_class.oid = to_regclass(shard_name(logicalrelid, shardid))
    WHERE groupid = (SELECT groupid FROM pg_dist_local_group) GROUP BY logicalrelid
"""

NODES_SQL = f"""
    SELECT success, result FROM run_command_on_all_nodes($$
        SELECT coalesce(json_agg(json_build_array(partition_name, rows, bytes, total)), '[]')
        FROM ({SHARDS_SQL}) each_of (partition_name, rows, bytes, total)
    $$)
"""


def with_sizes(report: PartitionReport, sizes: Mapping[str, float]) -> PartitionReport:
    partition = report.partition._replace(size_bytes=int(sizes["size"]))
    return report._replace(partition=partition, rows=round(sizes["rows"]), total_bytes=int(sizes["total"]))
