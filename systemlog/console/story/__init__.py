"""The story of a request: all records of a correlation id or a trace, as a timeline."""
