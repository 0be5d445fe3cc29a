"""Seals: signed Merkle roots over the log, published outside the database, and proofs that lean on them."""
