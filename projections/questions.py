"""What readers ask: SQL over one projection's table, and the type of a row of the answer.

Questions stand beside the rows they are about, as text and types only; a reader in `infrastructure`
puts them to PostgreSQL. Parameters are named, `%(account_id)s`. An answer is rows of the table, or with
`select` what SQL makes of them: a row type of its own, its fields in the order of the selected columns.
"""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T", bound=Struct)


class Question(Struct, Generic[T], frozen=True):
    """A question to the projection called `projection`, answered with rows of type `row`."""

    projection: str
    row: type[T]
    where: str
    select: str = ""

    def sql(self, columns: str) -> str:
        """The statement; `columns` are those of the table."""
        wanted = self.select or columns
        return f"SELECT {wanted} FROM read.{self.projection} WHERE {self.where}"  # noqa: S608  constants
