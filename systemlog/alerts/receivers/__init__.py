"""Receivers of messages: an Alertmanager, a webhook, Slack, or mail. Their addresses come from the settings alone."""
