"""Banks that transfers go through, and the job that asks them for news."""
