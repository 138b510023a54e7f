"""Error groups: the records of one error, counted while they land, with what is to be done about it.

`systemlog.fingerprints` says to which group a record belongs, and the storage appends the counts of what it stores.
This room adds them up, makes the groups, changes their states and finds them.
"""
