"""What a projection is: facts in the log's order become rows of one table.

    class Balances(Projection):
        name, version, row = "balances", 1, Balance
        def key(self, event): return (event.account_id,)

        @on(Account.Deposited)
        def deposited(self, event, rows): rows[event.account_id,].cash += event.amount

        ignores = (Account.Suspended, ...)

The runner loads the rows a batch touches, folds the batch in memory and writes the changed rows and the
log position in one transaction. A projection never sends a command, asks the time or reads another table:
its rows are a pure function of the log, so they can be thrown away and built again.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from domain.aggregate import Event
from domain.facts import TOPICS, name_of

R = TypeVar("R", bound=Struct)
Key = tuple[Any, ...]
Handler = Callable[..., None]
H = TypeVar("H", bound=Handler)

_SQL_TYPES = {
    "UUID": "uuid",
    "str": "text",
    "int": "bigint",
    "bool": "boolean",
    "Decimal": "numeric",
    "datetime": "timestamptz",
    "date": "date",
}


class Fact(Struct, frozen=True, gc=False):
    """An event with its place in the log. `metadata` is the JSON text beside it."""

    log_position: int
    topic: str
    event: Event
    metadata: bytes


class Rows(Generic[R]):
    """The rows a batch works on, by key: those loaded, those added, those changed, those removed.

    `absent` are keys that were looked for and not found: a row added under one of them is new in the table.
    What was touched is known by the rows' identity, because to hash a key of ids costs more than to fold a fact.
    """

    def __init__(self, loaded: dict[Key, R] | None = None, *, absent: Iterable[Key] = ()) -> None:
        self._rows: dict[Key, R] = loaded or {}
        self._absent = frozenset(absent)
        self._touched: set[int] = set()
        self._removed: set[Key] = set()
        self._appended: list[R] = []
        self._later: dict[int, tuple[R, Callable[[R], tuple[Key, R]]]] = {}
        self.fact: Fact  # the one being folded; set before each

    def __getitem__(self, key: Key) -> R:
        """A row that is there and about to be changed. Raises KeyError: a fact without its beginning."""
        row = self._rows[key]
        self._touched.add(id(row))
        return row

    def get(self, key: Key) -> R | None:
        """A row that may be there; changing it counts as a change."""
        row = self._rows.get(key)
        if row is not None:
            self._touched.add(id(row))
        return row

    def add(self, key: Key, row: R) -> R:
        """Put a new row; an old one under this key is replaced."""
        self._rows[key] = row
        self._touched.add(id(row))
        if self._removed:
            self._removed.discard(key)
        return row

    def append(self, row: R) -> R:
        """Put a row that nothing will ever change, under a key that nobody has: it is written and forgotten."""
        self._appended.append(row)
        return row

    def later(self, row: R, copy: Callable[[R], tuple[Key, R]]) -> None:
        """Put `copy(row)`, a key and a row, once nothing more is folded: for rows that follow another one."""
        self._later[id(row)] = row, copy

    def now(self, row: R) -> None:
        """Put what was promised for later of this row, if anything, as the row is about to turn to something new."""
        promised = self._later.pop(id(row), None)
        if promised is not None:
            self.add(*promised[1](row))

    def remove(self, key: Key) -> None:
        """Take a row out of the table."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._touched.discard(id(row))
            self._removed.add(key)

    def changed(self) -> list[R]:
        """Rows to write."""
        return [*self.touched(), *self._appended]

    def touched(self) -> list[R]:
        """Those of them that may be there already."""
        for row, _ in list(self._later.values()):
            self.now(row)
        touched = self._touched
        return [row for row in self._rows.values() if id(row) in touched]

    def written(self) -> tuple[list[R], list[R]]:
        """Rows to write: those that are new in the table, and those that are there or may be."""
        changed = self.touched()
        if not self._absent:
            return self._appended, changed
        new = [row for key, row in self._rows.items() if key in self._absent and id(row) in self._touched]
        known = {id(row) for row in new}
        return [*new, *self._appended], [row for row in changed if id(row) not in known]

    def appended(self) -> list[R]:
        """Those of them that are new for certain."""
        return self._appended

    def removed(self) -> Iterable[Key]:
        """Keys to delete; those that were never in the table are left out."""
        return self._removed - self._absent if self._absent else self._removed


class Column(Struct, frozen=True):
    """One column of a projection's table."""

    name: str
    sql_type: str
    is_nullable: bool

    @property
    def is_json(self) -> bool:
        """Whether it holds a list or struct as jsonb."""
        return self.sql_type == "jsonb"


class Table(Struct, frozen=True):
    """A projection's table, worked out from its row type. Its schema is `read`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()


def on(*kinds: type[Event]) -> Callable[[H], H]:
    """Mark a method as the handler of these events."""

    def mark(handler: H) -> H:
        handler.__dict__["handles"] = kinds
        return handler

    return mark


class Projection:
    """Base of all projections. Every event is handled or ignored by name, checked when the class is made."""

    name: ClassVar[str]
    version: ClassVar[int]
    row: ClassVar[type[Struct]]
    key_columns: ClassVar[tuple[str, ...]]
    indexes: ClassVar[tuple[str, ...]] = ()
    ignores: ClassVar[tuple[type[Event], ...]] = ()
    only_adds: ClassVar[bool] = False  # rows are never changed, so none need be loaded
    changes: ClassVar[
        tuple[str, ...]
    ] = ()  # columns in which this version differs from the one before on purpose
    handlers: ClassVar[dict[type[Event], Handler]] = {}
    table: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        cls.handlers = dict(_handlers_of(cls))
        unnamed = set(TOPICS) - set(cls.handlers) - set(cls.ignores)
        twice = set(cls.handlers) & set(cls.ignores)
        if unnamed or twice:
            named = sorted(TOPICS[kind] for kind in unnamed | twice)
            raise TypeError(f"{cls.__name__} must either handle or ignore {', '.join(named)}")
        cls.table = Table(cls.name, tuple(_columns_of(cls.row)), cls.key_columns, cls.indexes)

    @staticmethod
    def columns_of(row: type[Struct]) -> tuple[Column, ...]:
        """The columns of a row type."""
        return tuple(_columns_of(row))

    def key(self, event: Any, fact: Fact) -> Key:
        """The key of the row this event is about."""
        raise NotImplementedError

    def may_handle(self, topic: str) -> bool:
        """Whether an event stored under this name may change anything here; also when nobody knows the name."""
        return not any(topic.partition(":")[0] == name_of(kind) for kind in self.ignores)

    @classmethod
    def is_by_account(cls) -> bool:
        """Whether each row belongs to one account, so that accounts can be folded apart from one another."""
        return any(c.name == "account_id" and not c.is_nullable for c in cls.table.columns)

    def apply(self, fact: Fact, rows: Rows[Any]) -> None:
        """Fold one fact into the rows."""
        handler = self.handlers.get(type(fact.event))
        if handler is not None:
            rows.fact = fact
            handler(self, fact.event, rows)


def key_of(projection: Projection, row: Struct) -> Key:
    """The key of a row."""
    return tuple(getattr(row, name) for name in projection.key_columns)


def _handlers_of(cls: type[Projection]) -> Iterator[tuple[type[Event], Handler]]:
    for handler in vars(cls).values():
        for kind in getattr(handler, "handles", ()) if callable(handler) else ():
            yield kind, handler


def _columns_of(row: type[Struct]) -> Iterator[Column]:
    for field in msgspec.structs.fields(row):
        kinds = [kind for kind in get_args(field.type) if kind is not type(None)]
        optional = len(kinds) != len(get_args(field.type))
        kind = kinds[0] if optional else field.type
        yield Column(field.name, _sql_type(kind), optional)


def _sql_type(kind: Any) -> str:
    if get_origin(kind) is not None or (isinstance(kind, type) and issubclass(kind, Struct)):
        return "jsonb"
    for base in kind.__mro__:
        if base.__name__ in _SQL_TYPES and base.__name__ != "object":
            return _SQL_TYPES[base.__name__]
    raise TypeError(f"no column type for {kind}")
