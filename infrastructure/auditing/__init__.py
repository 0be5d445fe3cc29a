"""What the log does not have, kept; and one search over both."""
