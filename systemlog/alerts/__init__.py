"""Alerts: rules over the log, judged by the records' own times, and the messages that tell of them.

`configuration` reads the rules, `counting` and `absence` read the log, `states` decides, `evaluator` writes a new state
and its messages in one transaction, and `deliverer` sends the messages to the `receivers`.
"""
