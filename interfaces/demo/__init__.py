"""Demonstrations: customers to begin with, a narrated trading day, and a crowd that trades meanwhile."""
