"""What is right: each question's answers, held against what the story knows of itself."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal

from tests.scenarios.house import House, Said
from tests.scenarios.reading import as_json, changes, contributions, numbers, right, steps
from tests.scenarios.story import Known

D = Decimal
Check = Callable[[House, Known, Sequence[Said]], None]

STAKE, BOUGHT, SOLD, RESTING = D("100000.00"), 500 * D("120.10"), 400 * D("124.90"), 100 * D("100.00")
SALES_FEE = D(
    "0.08"
)  # 400 shares at 0.000195 dollars, rounded up to the cent; no Section 31 fee in March 2026
AFTER_PURCHASE = STAKE - BOUGHT
MONDAY_EVENING = AFTER_PURCHASE + SOLD - SALES_FEE
WRONG, RIGHT = D("500.00"), D("50.00")


def finding(house: House, known: Known, said: Sequence[Said]) -> None:
    """Before the questions: a customer is found by address and id; the last seal says how far the log reaches."""
    by_address, by_id, seals = (right(one) for one in said)
    words = known.words

    assert by_address.split()[:4] == [words["CLIENT"], "customer", words["ACCOUNT"], words["EMAIL"]]
    assert by_id == by_address
    assert seals.split()[0] == words["NEW"]
    assert f"events up to {words['LAST']} " in seals.splitlines()[0]


def at_an_instant(house: House, known: Known, said: Sequence[Said]) -> None:
    """1: cash after the purchase, the resting order's hold, the shares and what they cost."""
    told, found = right(said[0]), as_json(said[1])
    amounts = numbers(told)

    assert (amounts["cash"], amounts["held"]) == (AFTER_PURCHASE, RESTING)
    assert amounts["available"] == AFTER_PURCHASE - RESTING
    assert f"IBM  500.000000 shares, 0.000000 reserved, cost {BOUGHT:.2f}" in told
    assert [order["order_id"] for order in found["open_orders"]] == [known.facts["resting"]]
    assert D(found["cash"]) == AFTER_PURCHASE


def made_by(house: House, known: Known, said: Sequence[Said]) -> None:
    """2: the deposit and the purchase, which add up."""
    text = right(said[0])
    cash = contributions(text)["cash"]

    assert [(amount, fact) for amount, _, fact in cash] == [
        (STAKE, "Account.Deposited"),
        (-BOUGHT, "Account.PurchaseDebited"),
    ]
    assert cash[0][1] == known.facts["stake"]
    for name, some in contributions(text).items():
        if name in numbers(text):
            assert sum(amount for amount, _, _ in some) == numbers(text)[name], name


def two_times(house: House, known: Known, said: Sequence[Said]) -> None:
    """3: on Thursday the wrong deposit was believed; since Friday Monday has been right."""
    thursday, since_friday, today = (numbers(right(one))["cash"] for one in said)

    assert thursday == MONDAY_EVENING + WRONG
    assert since_friday == today == MONDAY_EVENING + RIGHT


def between_two_days(house: House, known: Known, said: Sequence[Said]) -> None:
    """4: cash by the correction alone; the order that rested was cancelled; two orders were rejected."""
    told, found = changes(right(said[0])), as_json(said[1])
    before, after, by = told["cash"]
    resting = told[f"orders/{known.facts['resting']}/status"]
    reasons = [new for field, (old, new, _) in told.items() if field.endswith("/reason") and old == "nothing"]

    assert (D(before), D(after)) == (MONDAY_EVENING + WRONG, MONDAY_EVENING + RIGHT)
    assert [fact for _, fact in by] == ["Account.Reversed", "Account.Deposited"]
    assert by[-1][0] in (known.facts["corrected"], known.facts["corrected"] - 1)
    assert resting[:2] == ("accepted", "cancelled")
    assert {*reasons} == {"requested", *known.facts["refused"][:2]}
    assert {change["field"] for change in found["changes"]} == set(told)


def an_orders_life(house: House, known: Known, said: Sequence[Said]) -> None:
    """5: held, placed, executed, paid, bought; in that order, with the money before and after."""
    told, found = list(steps(right(said[0]))), as_json(said[1])
    facts = [
        "Account.FundsHeld",
        "Order.Placed",
        "Order.Executed",
        "Account.PurchaseDebited",
        "Position.LotOpened",
    ]

    assert [fact for _, fact, _, _ in told] == facts == [step["event"] for step in found["steps"]]
    assert {moment for _, _, moment, _ in told} == {"2026-03-02T14:02:00+00:00"}
    assert told[2][3]["status"].split() == ["accepted", "->", "filled"]
    assert told[3][3]["cash"].split() == [f"{STAKE:.2f}", "->", f"{AFTER_PURCHASE:.2f}"]
    assert told[1][3]["quantity"].split() == [
        "nothing",
        "->",
        "500.000000",
    ]  # the order's, below the account's
    assert told[2][3]["order average_price"] == "nothing -> 120.1000"


def as_recorded(house: House, known: Known, said: Sequence[Said]) -> None:
    """9: right against the copy; proofs hold; one byte changed by a superuser is found, and named."""
    verified, _, event, _, growth = (right(one) for one in said)
    wrong, words = known.facts["wrong"], known.words

    assert verified.startswith("right: ")
    assert f"events up to log position {words['LAST']}," in verified
    assert event.startswith(f"right: the event at log position {wrong} ")
    assert json.loads(event[event.index("{") : event.rindex("}") + 1])["state"]["amount"] == f"{WRONG:.2f}"
    assert growth.startswith(
        f"right: the {words['LAST']} events of seal {words['NEW']} begin with the {wrong} of"
    )
    victim = known.facts["last"]
    with house.one_byte_changed(victim):
        found = house.ask(said[0].command, *said[0].words)
    assert right(found, 1).startswith(f"WRONG: the event at log position {victim} ")
    assert right(house.ask(said[0].command, *said[0].words)).startswith("right: ")


def forgotten(house: House, known: Known, said: Sequence[Said]) -> None:
    """12: two people, a certificate that is proved, an empty account, a whole ledger, books that balance."""
    listed, person, _, certificate, account, verified, books = (right(one) for one in said)
    words = known.words
    (line,) = listed.splitlines()

    assert f"user {words['FAY_USER']}" in line
    assert f"asked by {words['ANN']}, approved by {words['BEN']}" in line
    assert line.endswith(f"certificate at log position {words['CERTIFICATE']}")
    assert person.split() == [words["FAY_USER"], "customer", words["FAY"], "erased", "erased"]
    state = json.loads(certificate[certificate.index("{") : certificate.rindex("}") + 1])["state"]
    assert (state["user_id"], state["requested_by"], state["approved_by"]) == (
        words["FAY_USER"],
        words["ANN"],
        words["BEN"],
    )
    assert state["erased"]["identity"] == 1
    assert account.splitlines()[0].split() == ["account", words["FAY"], "closed"]
    assert numbers(account)["cash"] == 0
    assert verified.startswith("right: ")
    assert books.startswith("ok: ")


CHECKS: dict[int, Check] = {
    0: finding,
    1: at_an_instant,
    2: made_by,
    3: two_times,
    4: between_two_days,
    5: an_orders_life,
    9: as_recorded,
    12: forgotten,
}
