"""The stores of the theoretical arrival times: a file of this host, a database, or Redis."""
