"""The ingest of records that other programs send over HTTP, and of records from files."""
