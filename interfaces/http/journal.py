"""The books over HTTP: postings, the trial balance, and the books as a file for outside tools."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Struct

from domain.journal import USD, Book
from infrastructure.books.exporting import MEDIA_TYPES, SUFFIXES
from infrastructure.books.scope import Wanted
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER, STAFF
from interfaces.http.fields import LARGEST_POSITION, Cursor, Limit, MinPosition, instant
from interfaces.http.pages import Page, page, place_in
from interfaces.http.refusals import CursorMustBeFromAPage
from interfaces.http.spans import day_of
from projections.journal import JOURNAL, JOURNAL_OF_ACCOUNT, TRIAL_BALANCE, JournalLine, TrialLine

FirstDay: TypeAlias = Annotated[
    str | None, QueryParameter(name="from", max_length=64, description="First day (UTC) that counts")
]
LastDay: TypeAlias = Annotated[
    str | None, QueryParameter(name="to", max_length=64, description="Last day (UTC), inclusive")
]
Account: TypeAlias = Annotated[
    str,
    QueryParameter(max_length=200, description="How the ledger account's name begins, such as Assets:Cust"),
]
InBook: TypeAlias = Annotated[
    Literal["C", "F", "S"] | None,
    QueryParameter(description="C the customers', F the firm's, S the stock record"),
]
OfAccount: TypeAlias = Annotated[UUID | None, QueryParameter()]
FileFormat: TypeAlias = Annotated[
    Literal["beancount", "hledger", "csv", "parquet"], QueryParameter(name="format")
]
KnownAt: TypeAlias = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Nothing that was recorded after this moment is looked at"),
]


class BookBalance(Struct, frozen=True, kw_only=True):
    """What a book comes to in one commodity, shares in lots counted as dollars of cost: always zero."""

    book: str
    commodity: str
    balance: Decimal


class TrialBalance(Struct, frozen=True, kw_only=True):
    """Every account of the chart, the customers' together, and what each book comes to."""

    books: list[BookBalance]
    accounts: list[TrialLine]
    log_position: int


@get("/journal", roles=CUSTOMER)
async def own_journal(
    request: Call,
    account: Account = "",
    from_: FirstDay = None,
    to: LastDay = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[JournalLine]:
    """The customer's own book: every posting with the balance of its account after it, newest first.

    Refused: `instant_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read(
        JOURNAL_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        **_parameters(Book.CUSTOMER.value, account, from_, to, limit, cursor),
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="journal", position=_place)


@get("/compliance/journal", roles=STAFF)
async def journal(  # noqa: PLR0913, PLR0917  each is a filter or the page
    request: Call,
    account_id: OfAccount = None,
    book: InBook = None,
    account: Account = "",
    from_: FirstDay = None,
    to: LastDay = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[JournalLine]:
    """Every posting of all three books, newest first; of one customer, book, ledger account or span of days.

    Refused: `account_must_exist` (404), `instant_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read_of(
        account_id,
        JOURNAL if account_id is None else JOURNAL_OF_ACCOUNT,
        min_position=min_position,
        **_parameters(book, account, from_, to, limit, cursor),
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="journal", position=_place)


@get("/compliance/trial-balance", roles=STAFF)
async def trial_balance(
    request: Call, account_id: OfAccount = None, min_position: MinPosition = None
) -> TrialBalance:
    """What every account of the chart comes to, over all customers or for one; each book comes to zero.

    Refused: `account_must_exist` (404).
    """
    read = await request.read_of(account_id, TRIAL_BALANCE, min_position=min_position)
    request.answered_by(read)
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in read.rows:
        sums[line.book, line.commodity if line.cost is None else USD] += (
            line.balance if line.cost is None else line.cost
        )
    books = [BookBalance(book=b, commodity=c, balance=sums[b, c]) for b, c in sorted(sums)]
    return TrialBalance(books=books, accounts=read.rows, log_position=read.log_position)


@get("/journal/export", roles=CUSTOMER)
async def own_export(
    request: Call,
    format_: FileFormat,
    from_: FirstDay = None,
    to: LastDay = None,
    as_known_at: KnownAt = None,
) -> Stream:
    """The customer's own book as a file for beancount, hledger, spreadsheets or data tools, streamed.

    Refused: `instant_must_be_well_formed` (422), `exports_must_be_few` (503).
    """
    wanted = _wanted(request.account_id, (Book.CUSTOMER,), from_, to, as_known_at)
    return await _file(request, format_, wanted)


@get("/compliance/journal/export", roles=STAFF)
async def staff_export(
    request: Call,
    format_: FileFormat,
    account_id: OfAccount = None,
    from_: FirstDay = None,
    to: LastDay = None,
    as_known_at: KnownAt = None,
) -> Stream:
    """All three books of everybody, or of one customer, as a file, streamed.

    Refused: `account_must_exist` (404), `instant_must_be_well_formed` (422), `exports_must_be_few` (503).
    """
    return await _file(request, format_, _wanted(account_id, tuple(Book), from_, to, as_known_at))


async def _file(call: Call, wanted_format: Any, wanted: Wanted) -> Stream:
    parts = await call.parts.exports.begin(wanted_format, wanted)
    name = f"daybook-books.{SUFFIXES[wanted_format]}"
    return Stream(
        parts,
        media_type=MEDIA_TYPES[wanted_format],
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _wanted(
    account_id: UUID | None,
    books: tuple[Book, ...],
    since: str | None,
    until: str | None,
    known_at: str | None,
) -> Wanted:
    return Wanted(
        account_id=account_id,
        books=books,
        since=None if since is None else day_of(since).date(),
        until=None if until is None else day_of(until).date(),
        known_at=None if known_at is None else instant(known_at),
    )


def _parameters(
    book: str | None, account: str, since: str | None, until: str | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    before, line = _after(cursor)
    return {
        "book": book,
        "account": account,
        "since": date.min if since is None else day_of(since).date(),
        "until": date.max if until is None else day_of(until).date(),
        "before": before,
        "line": line,
        "limit": limit + 1,
    }


def _place(row: JournalLine) -> str:
    return f"{row.log_position}.{row.line}"


def _after(cursor: str | None) -> tuple[int, int]:
    """Log position and line that the page comes after. Raises CursorMustBeFromAPage."""
    if cursor is None:
        return LARGEST_POSITION, 0
    position, _, line = place_in("journal", cursor).partition(".")
    if not (position.isdigit() and line.isdigit() and len(position) <= 19 and len(line) <= 9):
        raise CursorMustBeFromAPage("the cursor is not one of journal")
    return min(int(position), LARGEST_POSITION), int(line)


ROUTES = [own_journal, journal, trial_balance, own_export, staff_export]
