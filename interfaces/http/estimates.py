"""What an order would cost or bring, before it is given."""

from decimal import Decimal

from litestar import post
from litestar.params import JSONBody
from msgspec import Struct

from domain.terms import OrderTerms, Side
from domain.trade import Charge, total
from domain.values import rounded_down, rounded_up
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.listing import listed
from interfaces.http.orders import NewOrder, asked_for
from interfaces.http.refusals import SymbolMustBeListed


class Estimate(Struct, frozen=True, kw_only=True):
    """An order filled whole at `price`: its limit, or the offer (to buy) or bid (to sell) of the last quote.

    `notional` is quantity times price to the cent, `amount` what a buy costs with its charges or a sale
    brings without them. `charges` are by the rates of today; an order that fills later pays those of that day.
    """

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    notional: Decimal
    charges: list[Charge]
    amount: Decimal


@post("/orders/estimate", status_code=200, roles=CUSTOMER)
async def estimate(request: Call, data: JSONBody[NewOrder]) -> Estimate:
    """Charges and total of an order that is not given. Nothing is recorded.

    Refused as the order itself would be: `symbol_must_be_listed`, `order_terms_must_fit_its_type` (422).
    """
    terms = asked_for(data)
    price = _price(request, terms)
    exact = terms.quantity * price
    notional = rounded_up(exact) if terms.is_buy else rounded_down(exact)
    rules, now = request.parts.rules, request.parts.clock.now()
    charges = rules.fees.charges(
        day=rules.cycle.dates(now).trade_date,
        side=terms.side,
        quantity=terms.quantity,
        notional=exact,
        so_far={},
        at_most=Decimal("Infinity") if terms.is_buy else notional,
    )
    charged = total(charges)
    return Estimate(
        symbol=terms.symbol,
        side=terms.side,
        quantity=terms.quantity,
        price=price,
        notional=notional,
        charges=list(charges),
        amount=notional + charged if terms.is_buy else notional - charged,
    )


def _price(call: Call, terms: OrderTerms) -> Decimal:
    if terms.limit_price is not None:
        return terms.limit_price
    quote = listed(call.parts.quotes, terms.symbol)
    price = quote.ask if terms.is_buy else quote.bid
    if price is None:
        raise SymbolMustBeListed(f"no quote of {terms.symbol} is known")
    return max(price, terms.stop_price or price) if terms.is_buy else min(price, terms.stop_price or price)


ROUTES = [estimate]
