"""The deployable project: settings from the environment, urls, tokens, `manage.py serve`."""
