"""What shares gained in a session: worked out by the shortest way there is, and by hand from all lots."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.values import rounded
from interfaces.http.portfolio import _day_profit
from projections.positions import LotRow, PositionInOne

BEGAN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CENTS = st.integers(0, 500_000).map(lambda cents: Decimal(cents) / 100)
PRICES = st.integers(1, 5_000_000).map(lambda ticks: Decimal(ticks) / 10_000)


@st.composite
def lots(draw: st.DrawFn) -> LotRow:
    disallowed = draw(st.sampled_from([Decimal("0.00"), Decimal("0.00"), Decimal("1.25")]))
    return LotRow(
        lot_id=UUID(int=draw(st.integers(0, 99))),
        quantity=draw(st.integers(1, 10**9).map(lambda shares: Decimal(shares) / 10**6)),
        cost=draw(CENTS) + disallowed,
        acquired_at=BEGAN + timedelta(seconds=draw(st.integers(-2, 2))),
        held_since=BEGAN.date(),
        long_term_from=BEGAN.date() + timedelta(days=366),
        replaces=None,
        disallowed=disallowed,
    )


def _row(held: list[LotRow]) -> PositionInOne:
    """The row of a position with these lots."""
    return PositionInOne(
        symbol="AAPL",
        quantity=sum((lot.quantity for lot in held), Decimal("0.000000")),
        reserved=Decimal("0.000000"),
        cost=sum((lot.cost for lot in held), Decimal("0.00")),
        realised=Decimal("0.00"),
        realised_short=Decimal("0.00"),
        realised_long=Decimal("0.00"),
        wash_disallowed=sum((lot.disallowed for lot in held), Decimal("0.00")),
        lots=msgspec.Raw(msgspec.json.encode(held)),
        updated_at=max((lot.acquired_at for lot in held), default=BEGAN),
        log_position=1,
    )


@given(held=st.lists(lots(), max_size=4), now=PRICES, first=PRICES, is_known=st.booleans())
def test_the_shortest_way_comes_to_what_all_lots_come_to(
    held: list[LotRow], now: Decimal, first: Decimal, is_known: bool
) -> None:
    began = BEGAN if is_known else None

    gained = Decimal(0)
    for lot in held:
        is_new = is_known and lot.acquired_at > BEGAN
        gained += lot.quantity * now - (lot.cost - lot.disallowed if is_new else lot.quantity * first)

    assert _day_profit(_row(held), now, first, began) == rounded(gained)
