"""The app configuration: registers checks and signal receivers, and starts the lander with the first request."""

from __future__ import annotations

import atexit

from django.apps import AppConfig


class SystemLogConfig(AppConfig):
    """Configuration of the app `systemlog`."""

    name = "systemlog"
    verbose_name = "System log"

    def ready(self) -> None:
        """Register the system checks, and receivers for connections, the first request and the end of the process."""
        from django.apps import apps
        from django.core.signals import request_started
        from django.db.backends.signals import connection_created
        from django.db.models.signals import post_migrate, pre_migrate

        from systemlog import checks  # noqa: F401  (importing registers them)
        from systemlog.alerts import checks as alert_checks  # noqa: F401  (registers them)
        from systemlog.alerts import duties as alert_duties
        from systemlog.audit import actor, migrating
        from systemlog.audit import checks as audit_checks  # noqa: F401  (registers them)
        from systemlog.correlation import checks as correlation_checks  # noqa: F401  (registers them)
        from systemlog.correlation.sqlcommenter import comment_statements
        from systemlog.digests import checks as digest_checks  # noqa: F401  (registers them)
        from systemlog.digests import duty
        from systemlog.digests.pruning import DigestWitness
        from systemlog.groups import folding
        from systemlog.ingest import checks as ingest_checks  # noqa: F401  (registers them)
        from systemlog.ingest.errors import find_error_format
        from systemlog.journal import backends
        from systemlog.journal import checks as journal_checks  # noqa: F401  (registers them)
        from systemlog.landing import duties, notes, thread
        from systemlog.limits import checks as limit_checks  # noqa: F401  (registers them)
        from systemlog.problems import checks as problem_checks  # noqa: F401  (registers them)
        from systemlog.problems import protocol_formats
        from systemlog.problems.formatting import handler  # noqa: F401  (else the first error would wait for it)
        from systemlog.retention import checks as retention_checks  # noqa: F401  (registers them)
        from systemlog.storage import witness
        from systemlog.storage.sqlite.functions import register_functions

        if apps.is_installed("django.contrib.auth"):
            from systemlog.audit import logins

            logins.connect()
        alert_duties.connect()
        connection_created.connect(register_functions)
        connection_created.connect(comment_statements)
        connection_created.connect(actor.begin_stamping)
        connection_created.connect(backends.begin_tests)
        pre_migrate.connect(migrating.begin, sender=self)
        post_migrate.connect(migrating.finish, sender=self)
        witness.register(DigestWitness())
        duty.register()
        duties.register(duties.Duty("groups", lambda: folding.EVERY_S, lambda stopping: folding.fold_all()))
        notes.register_duty()
        protocol_formats.register(find_error_format)
        request_started.connect(thread.start_with_request)
        atexit.register(thread.stop)
