"""Closed months of the log in files outside the database: moved, read, verified, held, and destroyed when their years are over."""
