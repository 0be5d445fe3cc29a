"""The market: where quotes come from, when it is open, and who publishes them."""
