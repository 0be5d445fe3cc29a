"""What readers ask: SQL over one projection's table, and the type of a row of the answer.

Questions stand beside the rows they are about, as text and types only; a reader in `infrastructure`
puts them to PostgreSQL. There are two kinds. A `Question` has a WHERE of its own with named parameters,
`%(account_id)s`; its answer is rows of the table, or with `select` what SQL makes of them: a row type of its own,
its fields in the order of the selected columns; `beside` is joined to the table. A `Lookup` asks for the rows of a key, so that one statement can
serve many who ask at once.
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
    beside: str = ""

    def sql(self, columns: str) -> str:
        """The statement; `columns` are those of the table."""
        wanted = self.select or columns
        return f"SELECT {wanted} FROM read.{self.projection} {self.beside} WHERE {self.where}"  # noqa: S608  constants


class Lookup(Struct, Generic[T], frozen=True):
    """All rows whose columns `by` have given values, in the order of the column `order`."""

    projection: str
    row: type[T]
    by: tuple[str, ...]
    order: str | None = None

    def sql(self, columns: tuple[str, ...], types: tuple[str, ...]) -> str:
        """The statement for many keys: one array parameter for each column of `by`, of these types."""
        arrays = ", ".join(f"%s::{kind}[]" for kind in types)
        joined = " AND ".join(f"t.{name} = want.{name}" for name in self.by)
        order = "" if self.order is None else f" ORDER BY t.{self.order}"
        return (
            f"SELECT {', '.join('t.' + name for name in columns)}"  # noqa: S608  constants
            f" FROM unnest({arrays}) AS want({', '.join(self.by)})"
            f" JOIN read.{self.projection} t ON {joined}{order}"
        )
