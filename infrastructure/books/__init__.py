"""The books on their way out: exports for outside tools, and the check of every rule they must keep."""
