"""Fingerprints: the id of the error group of a record, computed from the stored record alone.

An error with a traceback is identified by its type and the project's own frames, any other error by its category and
the template of its message. This room keeps no state, reads no setting and queries no database, so a record has the
same fingerprint on every host.
"""
