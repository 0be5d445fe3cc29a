"""What readers ask: SQL over one projection's table, and the type of a row of the answer.

Questions stand beside the rows they are about, as text and types only; a reader in `infrastructure`
puts them to PostgreSQL. There are two kinds. A `Question` has a WHERE of its own with named parameters,
`%(account_id)s`; its answer is rows of the table, or with `select` what SQL makes of them: a row type of its own,
its fields in the order of the selected columns; `beside` is joined to the table. A `Lookup` asks for the rows of a key, so that one statement can
serve many who ask at once.
"""

from typing import Any, Generic, TypeVar

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
    """All rows whose columns `by` have given values, in the order of the column `order`.

    `in_one` is for keys with many rows: PostgreSQL gives all rows of a key as one JSON text, which is decoded
    in one go, where a driver would make each value of each row by itself. Each row is an array of the fields of `row`, which
    is `array_like`; it may have fewer fields than the table has columns, and one of type `msgspec.Raw` is passed on as JSON. For a
    single row it does not pay.
    """

    projection: str
    row: type[T]
    by: tuple[str, ...]
    order: str | None = None
    in_one: bool = False

    def sql(self, columns: tuple[str, ...], types: tuple[str, ...]) -> str:
        """The statement for many keys: one array parameter for each column of `by`, of these types.

        Answers rows, or with `in_one` the number of each key that has some, from 1, and its rows.
        """
        order = "" if self.order is None else f" ORDER BY t.{self.order}"
        joined = " AND ".join(f"t.{name} = want.{name}" for name in self.by)
        tables = f" FROM {_wanted(self.by, types)} JOIN read.{self.projection} t ON {joined}"
        if self.in_one:
            return f"SELECT want.number, {self._aggregated()}{tables} GROUP BY want.number"
        return f"SELECT {', '.join('t.' + name for name in columns)}{tables}{order}"

    def _aggregated(self) -> str:
        fields = ", ".join(f"t.{name}" for name in self.row.__struct_fields__)
        order = "" if self.order is None else f" ORDER BY t.{self.order}"
        return f"json_agg(json_build_array({fields}){order})"

    def beside(self) -> str:
        """All rows of the key `want`, as one value of a statement about other tables too."""
        joined = " AND ".join(f"t.{name} = want.{name}" for name in self.by)
        return f"(SELECT {self._aggregated()} FROM read.{self.projection} t WHERE {joined})"  # noqa: S608  constants


class Lookups(Struct, frozen=True):
    """Several look-ups `in_one` by the same columns: one statement answers them, of one moment."""

    each: tuple[Lookup[Any], ...]

    @property
    def by(self) -> tuple[str, ...]:
        """The columns of the key."""
        return self.each[0].by

    def sql(self, types: tuple[str, ...]) -> str:
        """The statement for many keys, as that of a look-up: the number of each key, and its rows in each table."""
        values = ", ".join(lookup.beside() for lookup in self.each)
        return f"SELECT want.number, {values} FROM {_wanted(self.by, types)}"  # noqa: S608  constants


def _wanted(by: tuple[str, ...], types: tuple[str, ...]) -> str:
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    return f"unnest({arrays}) WITH ORDINALITY AS want({', '.join(by)}, number)"
