"""Alerts: rules over the log, and the messages that report when a rule fires and when its alert is resolved.

A rule is judged by the timestamps of the records, not by the time at which they landed. `configuration` reads the
rules, `counting` and `absence` read the log, `states` decides, `evaluator` writes a new state and its messages in one
transaction, and `deliverer` sends the messages to the `receivers`.
"""
