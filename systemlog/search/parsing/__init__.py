"""The first step of a search: the parameters of a URL become a query, and its cursor a position."""
