"""Integrations that carry the correlation into other libraries: HTTP clients, task queues, OpenTelemetry."""
