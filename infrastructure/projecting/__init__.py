"""How projections meet PostgreSQL: their tables, the runner, rebuilding, and reading."""
