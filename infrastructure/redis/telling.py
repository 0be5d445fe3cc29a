"""Commands to Redis whose answers nobody waits for."""

from typing import Any

from redis.exceptions import RedisError

from infrastructure.redis import connect


class Telling:
    """Sends a command and goes on; its answer is read before the next one is sent, when it has long come.

    So a process that says often how far it is does not stand still for a round trip each time. Not for several
    threads at once.
    """

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._connection: Any = None

    def send(self, *command: str | bytes | int) -> None:
        """Send a command, on a new connection when the last was lost. Raises RedisError or OSError when Redis is
        away; what Redis said of the command before is not told.
        """
        if self._connection is not None:
            try:
                self._connection.read_response()
                self._connection.send_command(*command)
            except (RedisError, OSError):
                self.close()
            else:
                return
        self._connection = self._client.connection_pool.get_connection()
        try:
            self._connection.send_command(*command)
        except (RedisError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._client.connection_pool.release(connection)
        self._client.close()
