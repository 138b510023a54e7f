"""Clients generated from the OpenAPI document, each calling a running server: `python -m tests.clients`."""
