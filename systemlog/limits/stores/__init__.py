"""Where the theoretical arrival times are: a file of this host, a database, or Redis."""
