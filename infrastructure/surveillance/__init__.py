"""Surveillance at work: it follows the log, and every alert becomes a case, once."""
