"""The kinds of receivers: Alertmanager, webhook, Slack and mail. Addresses come from the settings alone."""
