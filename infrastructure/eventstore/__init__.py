"""The log in PostgreSQL: how events are written, read and folded."""
