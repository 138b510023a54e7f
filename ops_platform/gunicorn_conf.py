"""Configuration of gunicorn (`gunicorn -c python:ops_platform.gunicorn_conf`). `serve` adds the address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from health import gunicorn as health
from ops_platform import environment, private_files
from ops_platform.worker import lose_no_sigterm

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")
_environment, _ = environment.load()

private_files.restrict_new_files()
health.share(_environment.VAR_DIR / "metrics")

wsgi_app = "ops_platform.wsgi:application"
worker_class = "ops_platform.worker.Worker"
workers = _environment.WEB_CONCURRENCY
# Most requests wait for the database. Two threads are kept free for probes (ops_platform.admission).
threads = 16

# The heartbeat file of a worker is in memory, because a slow disk would delay it.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (a tmpfs)

# Time for a worker to finish its requests after SIGTERM. Kubernetes kills after 30 s.
graceful_timeout = 25
timeout = 60
# Longer than proxies keep idle connections (usually 60 s), so that no proxy sends a request into a closing one.
keepalive = 75

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# Only these proxies are trusted to say by X-Forwarded-Proto that a client used HTTPS.
forwarded_allow_ips = _environment.FORWARDED_ALLOW_IPS

# By default gunicorn takes SCRIPT_NAME from a header of these proxies, and so from their clients.
forwarder_headers = ""

logger_class = "ops_platform.server_log.ServerLogger"
control_socket_disable = True

# -- hooks, which gunicorn calls by name

when_ready = health.when_ready


def on_starting(server: object) -> None:
    """Prepare the master process, before it starts workers."""
    lose_no_sigterm()
    health.on_starting(server)


def post_worker_init(worker: Any) -> None:
    """Tell the application how many threads the worker has, and compile the patterns of redaction.

    Compiling takes some 100 ms, for which the first request would wait otherwise.
    """
    from systemlog.redaction import redact_text  # imported late: it needs the settings

    worker.wsgi.limit(worker.cfg.threads)
    redact_text("token=compiled")
