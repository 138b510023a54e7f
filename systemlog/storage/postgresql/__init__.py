"""The log table on PostgreSQL, and on a Citus cluster."""
