"""What readers ask: SQL over one projection's table, and the type of a row of the answer.

Questions stand beside the rows they are about, as text and types only; a reader in `infrastructure`
puts them to PostgreSQL. `{table}` is the projection's table; parameters are named, `%(account_id)s`.
"""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T", bound=Struct)


class Question(Struct, Generic[T], frozen=True):
    """A question to the projection called `projection`, answered with rows of type `row`."""

    projection: str
    row: type[T]
    where: str

    def sql(self, columns: str) -> str:
        """The statement."""
        return f"SELECT {columns} FROM read.{self.projection} WHERE {self.where}"  # noqa: S608  constants
