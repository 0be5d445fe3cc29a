"""A customer's cash: what there is, money in, money out, and every movement."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from litestar import get, post
from litestar.params import JSONBody
from msgspec import Struct

from application.answers import AccountAnswer, Answer
from application.commands import Deposit, Withdraw
from domain.errors import AccountMustExist
from domain.values import NOTHING, money
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Amount, Cursor, Limit, MinPosition, number
from interfaces.http.ids import fresh_id
from interfaces.http.pages import Page, before, page
from projections.activity import ACTIVITY_OF_ACCOUNT, CASH_MOVEMENTS, ActivityRow
from projections.balances import BALANCE_OF_ACCOUNT, Balance


class Transfer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dollars, whole cents, as a string such as `"250.00"` or a whole number."""

    amount: Amount


class Wallet(Struct, frozen=True, kw_only=True):
    """Cash in dollars. `held` is promised to open orders, `withdrawing` on its way to a bank; the rest is `buying_power`.

    `unsettled` is what sales have yet to bring: it buys, and cannot be withdrawn. `owed` is owed to Daybook for
    deposits that a bank took back; later deposits repay it first. Good-faith violations are sales of shares
    before the sale that had paid for them settled.
    """

    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    owed: Decimal
    unsettled: Decimal
    buying_power: Decimal
    withdrawable: Decimal
    currency: str = "USD"
    status: str
    good_faith_violations: int | None = None
    updated_at: datetime | None = None
    log_position: int


class Transferred(Wallet, frozen=True, kw_only=True):
    """The wallet after a transfer was asked for. `transfer_id` names it; it is `completed`, or `initiated`."""

    transfer_id: UUID | None
    transfer_status: str | None
    amount: Decimal


@get("/wallet/balance", roles=CUSTOMER)
async def balance(request: Call, min_position: MinPosition = None) -> Wallet:
    """What there is, what is held for orders, what may be spent."""
    read = await request.read(BALANCE_OF_ACCOUNT, min_position=min_position, account_id=request.account_id)
    request.answered_by(read)
    if read.row is None:
        raise AccountMustExist(f"there is no account {request.account_id}")
    return _of_row(read.row)


@post("/wallet/deposit", status_code=201, roles=CUSTOMER)
async def deposit(request: Call, data: JSONBody[Transfer]) -> Transferred:
    """Pay money in; by a bank, it comes when the transfer is completed. Honours `Idempotency-Key`.

    Refused: `money_must_be_whole_cents` (422), `account_must_not_be_closed` (409).
    """
    amount = money(number(data.amount))
    command = Deposit(account_id=request.account_id, transfer_id=fresh_id(), amount=amount)
    return _transferred(await request.execute(command, body=data), amount)


@post("/wallet/withdraw", status_code=201, roles=CUSTOMER)
async def withdraw(request: Call, data: JSONBody[Transfer]) -> Transferred:
    """Pay money out; by a bank, it is held until the transfer is completed. Honours `Idempotency-Key`.

    Refused: `available_cash_must_cover_withdrawal`, `account_must_be_open_for_trading`,
    `money_must_be_whole_cents` (422).
    """
    amount = money(number(data.amount))
    command = Withdraw(account_id=request.account_id, transfer_id=fresh_id(), amount=amount)
    return _transferred(await request.execute(command, body=data), amount)


@get("/wallet/transactions", roles=CUSTOMER)
async def transactions(
    request: Call, limit: Limit = 50, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[ActivityRow]:
    """Every movement of cash, newest first: deposits, withdrawals, purchases, sales."""
    return await activity_page(
        request, types=CASH_MOVEMENTS, limit=limit, cursor=cursor, min_position=min_position
    )


async def activity_page(
    call: Call, *, types: list[str] | None, limit: int, cursor: str | None, min_position: int | None
) -> Page[ActivityRow]:
    """A page of the caller's activity, of some types or of all."""
    read = await call.read(
        ACTIVITY_OF_ACCOUNT,
        min_position=min_position,
        account_id=call.account_id,
        types=types,
        before=before("activity", cursor),
        limit=limit + 1,
    )
    call.answered_by(read)
    return page(read.rows, limit=limit, kind="activity", position=lambda row: row.log_position)


def _of_row(row: Balance) -> Wallet:
    free = row.cash - row.held - row.withdrawing
    return Wallet(
        cash=row.cash,
        held=row.held,
        withdrawing=row.withdrawing,
        owed=row.owed,
        buying_power=free,
        unsettled=row.unsettled,
        withdrawable=max(free - row.unsettled - row.owed, NOTHING),
        good_faith_violations=row.good_faith_violations,
        status=row.status,
        updated_at=row.updated_at,
        log_position=row.log_position,
    )


def _transferred(answer: Answer, amount: Decimal) -> Transferred:
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what these commands are answered with
    return Transferred(
        transfer_id=answer.transfer_id,
        transfer_status=answer.transfer_status,
        amount=amount,
        cash=answer.cash,
        held=answer.held,
        withdrawing=answer.withdrawing,
        owed=answer.owed,
        buying_power=answer.available,
        unsettled=answer.unsettled,
        withdrawable=answer.available if answer.withdrawable is None else answer.withdrawable,
        status=answer.status,
        log_position=answer.log_position,
    )


ROUTES = [balance, deposit, withdraw, transactions]
