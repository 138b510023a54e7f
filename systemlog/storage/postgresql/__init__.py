"""The storages of PostgreSQL and of a Citus cluster."""
