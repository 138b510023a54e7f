"""Fingerprints: which error a record is one of, as a pure function of the stored record.

An error with a traceback is told by its type and by the project's own frames, any other error by its category and the
template of its message. Nothing here keeps a state, reads a setting or asks a database: a record has the same
fingerprint on every host.
"""
