"""Pure rules of a record: its fields, ids, times and encodings. They know no database."""
