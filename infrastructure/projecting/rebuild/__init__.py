"""Rebuilding a projection's table beside the live one: load, catch up, compare, swap, and swap back."""
