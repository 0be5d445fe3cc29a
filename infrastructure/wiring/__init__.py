"""Puts the parts together, a module a role. Interfaces take what they need from here and know no driver."""
