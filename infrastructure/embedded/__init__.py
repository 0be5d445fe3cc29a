"""Real PostgreSQL and real Redis as direct children of this process, for a Daybook that was given no URL."""

from infrastructure.embedded.children import EmbeddedServerDidNotStart
from infrastructure.embedded.postgres import EmbeddedPostgres
from infrastructure.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServerDidNotStart"]
