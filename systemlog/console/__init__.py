"""The log's pages in Django's admin."""
