"""Liveness, readiness and metrics for any Django API."""
