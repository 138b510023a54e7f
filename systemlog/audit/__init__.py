"""The audit trail: who changed what, when and in which request.

Database triggers write each change into an outbox, in the transaction of the change. The lander turns the entries of
the outbox into records. `acting_as(user)` names the user of changes outside requests. `history(obj)` returns
the records of one object.
"""

from systemlog.audit.actor import acting_as

__all__ = ["acting_as", "history"]


def __getattr__(name: str) -> object:
    if name == "history":  # imports models, which is not allowed before all apps are loaded
        from systemlog.audit.reading import history

        return history
    raise AttributeError(name)
