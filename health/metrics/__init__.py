"""What Prometheus is told of this service: the numbers, how they are shared by processes, and how they are read."""
