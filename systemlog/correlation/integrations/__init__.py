"""Carrying the correlation id into other libraries: HTTP clients, task queues, OpenTelemetry."""
