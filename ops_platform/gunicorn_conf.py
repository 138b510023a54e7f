"""Configuration of gunicorn (`gunicorn -c python:ops_platform.gunicorn_conf`); `serve` adds address and workers."""

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
# Most requests wait for the database; two of the threads are kept for the probes (ops_platform.admission).
threads = 16

# The heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (memory, where there is some)

# A worker has this long to finish its requests after SIGTERM; Kubernetes kills after 30 s.
graceful_timeout = 25
timeout = 60
# Longer than a proxy keeps an idle connection (60 s is usual), or the proxy sends a request into a closing one.
keepalive = 75

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# These proxies say by X-Forwarded-Proto whether the client came by HTTPS; nobody else is believed.
forwarded_allow_ips = _environment.FORWARDED_ALLOW_IPS

# By default gunicorn takes SCRIPT_NAME from these proxies, as a header of the request, and so from their clients too.
forwarder_headers = ""

logger_class = "ops_platform.server_log.ServerLogger"
control_socket_disable = True

# -- hooks, which gunicorn calls by these names

when_ready = health.when_ready


def on_starting(server: object) -> None:
    """Before the first worker is made, in the master process."""
    lose_no_sigterm()
    health.on_starting(server)


def post_worker_init(worker: Any) -> None:
    """In a worker, before it serves."""
    worker.wsgi.limit(worker.cfg.threads)
