"""The audit trail: who changed what, when and in which request.

Database triggers note each change in an outbox, in the change's own transaction; the lander turns what the outbox holds
into records. `acting_as(user)` says who works where no request does; `history(obj)` gives the records of one object.
"""

from systemlog.audit.actor import acting_as

__all__ = ["acting_as", "history"]


def __getattr__(name: str) -> object:
    if name == "history":  # imports models, which a package of an app must not do before the apps are loaded
        from systemlog.audit.reading import history

        return history
    raise AttributeError(name)
