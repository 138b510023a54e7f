"""Error groups: a group has all records of one error, their counts, and a state such as open or resolved.

`systemlog.fingerprints` decides to which group a record belongs, and the storage appends counts with the records that
it stores. This room adds up the counts, creates the groups, changes their states and finds them.
"""
