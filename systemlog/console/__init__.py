"""The pages of the log in Django's admin."""
