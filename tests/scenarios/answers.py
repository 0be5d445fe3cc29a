"""What is right: each question's answers, held against what the story knows of itself."""

import csv
import json
from collections.abc import Callable, Sequence
from decimal import Decimal

from tests.scenarios.house import House, Said
from tests.scenarios.reading import as_json, changes, contributions, numbers, right, steps
from tests.scenarios.story import (
    CLIENT_ADDRESS,
    CLIENT_AGENT,
    HOLD_BY,
    HOLD_REASON,
    ROUND_TRIPS,
    Known,
)

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
    assert told[1][3]["order quantity"] == "nothing -> 500.000000"
    assert told[2][3]["order average_price"] == "nothing -> 120.1000"


def who_gave_it(house: House, known: Known, said: Sequence[Said]) -> None:
    """6: the client herself, from her address, by her program, with her key; three refusals with their answers."""
    told, placed, lines, refusals = right(said[0]), as_json(said[1]), right(said[2]), as_json(said[3])
    words, codes, placed = known.words, known.facts["refused"], placed["items"]
    unlisted, *rejected = (one for one in refusals["items"] if one["role"] == "customer")
    (order,) = placed

    for fact in ("Order.Placed", "Order.Executed", "Position.LotOpened"):
        assert f" {fact}: " in told, fact
    assert (order["actor"], order["role"]) == (words["CLIENT"], "customer")
    assert (order["address"], order["agent"]) == (CLIENT_ADDRESS, CLIENT_AGENT)
    assert order["idempotency_key"] == "dora-buys-ibm"
    assert order["fact"]["originator_id"] == words["ORDER"]  # out of an archived month
    assert order["answer"]["order"]["order_id"] == words["ORDER"]
    assert [(one["topic"], one["code"]) for one in rejected] == [
        ("Order.Rejected", codes[1]),
        ("Order.Rejected", codes[0]),
    ]
    assert (unlisted["kind"], unlisted["symbol"], unlisted["code"]) == ("refused", "NOSUCH", codes[2])
    keys = [one["idempotency_key"] for one in (unlisted, *rejected)]
    assert keys == ["dora-refused-3", "dora-refused-2", "dora-refused-1"]
    assert {one["address"] for one in (unlisted, *rejected)} == {CLIENT_ADDRESS}
    assert (unlisted["answer"]["status"], unlisted["answer"]["code"]) == (422, codes[2])
    assert unlisted["request"]["body"]["symbol"] == "NOSUCH"
    assert all(f"[{code}]" in lines for code in codes)


def who_looked(house: House, known: Known, said: Sequence[Said]) -> None:
    """7: the member of staff, by which questions; all that she did on the day, from logging in to her last look."""
    looks, day = right(said[0]), right(said[1])
    account, member = known.words["ACCOUNT"], known.words["MEMBER"]
    hers = [line for line in looks.splitlines() if f"compliance {member}" in line]
    acts = [line.split("  ")[0] for line in day.splitlines()[1:]]

    assert any(f"/accounts/{account}/as-of" in line for line in hers)
    assert any(f"/audit?account_id={account}" in line for line in hers)
    assert not any(known.words[name] in looks for name in ("ANN", "BEN"))
    assert all(f" compliance {member} " in line for line in day.splitlines()[1:])
    for done in ("Logged in", "/assign: 200", "/notes: 201", "/close: 200", f"/accounts/{account}/as-of"):
        assert done in day, done
    assert acts == sorted(acts, reverse=True)


def by_the_names_of_cat(house: House, known: Known, said: Sequence[Said]) -> None:
    """8: three orders of Monday, two of them traded; the whole trail, equal in both files but for the look between them."""
    for one in said:
        right(one)
    day = [json.loads(line) for line in (house.desk / "cat.jsonl").read_text().splitlines()]
    with (house.desk / "trail.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (house.desk / "trail.jsonl").read_text().splitlines()]
    facts = known.facts
    events = [one for one in lines if one["kind"] == "event"]

    assert [(one["type"], one.get("orderID")) for one in day] == [
        ("MENO", facts["order"]), ("MEOT", None),
        ("MENO", facts["resting"]), ("MEOA", facts["resting"]),
        ("MENO", facts["sale"]), ("MEOT", None),
    ]  # fmt: skip
    trades = [one for one in day if one["type"] == "MEOT"]
    assert [(one["quantity"], one["price"]) for one in trades] == [(500, 120.1), (400, 124.9)]
    assert day[0]["eventTimestamp"] == "20260302T090200.000000"  # 14:02 UTC in New York
    assert [row["log_position"] for row in rows if row["kind"] == "event"] == [
        str(one["log_position"]) for one in events
    ]
    assert {one["account_id"] for one in events} == {known.words["ACCOUNT"]}
    assert events[-1]["topic"] == "Account.Opened"
    assert events[0]["log_position"] == facts["last"]
    assert sum(one["topic"] == "Order.Rejected" for one in events) == 2
    assert all(one["fact"] for one in events)


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


def an_old_month(house: House, known: Known, said: Sequence[Said]) -> None:
    """10: March is in a file that is right, held, kept for six years; the account is what it was before, byte for byte."""
    status, files, holds, account = (right(one) for one in said)
    (moment,) = known.before

    assert status.startswith("2026-03: ")
    assert f"log positions 1 to {known.facts['march_end']}, there, kept until 2032-03-" in status
    assert files.startswith(f"right: 2026-03, {known.facts['march_end']} events, ")
    assert f"placed  {known.words['ACCOUNT']}" in holds
    assert holds.splitlines()[0].endswith(f"by {HOLD_BY}: {HOLD_REASON}")
    assert account == right(known.before[moment])
    with house.one_byte_changed_in_the_archive():
        assert right(house.ask(said[1].command, *said[1].words), 1).startswith("WRONG: ")
        assert house.ask(said[3].command, *said[3].words).code == 2
    assert right(house.ask(said[3].command, *said[3].words)) == account


def wash_trading(house: House, known: Known, said: Sequence[Said]) -> None:
    """11: eleven round trips, each order of them as evidence; worked, closed; two admins ended the block."""
    cases, case, again, approvals, reinstated, acts = said
    words = known.words
    (listed,), shown, found = right(cases).splitlines(), right(case), right(again)
    (approval,), (fact,) = right(approvals).splitlines(), right(reinstated).splitlines()[1:]
    notional = ROUND_TRIPS * 10 * D("129.90")

    assert listed.split()[:4] == [words["CASE"], "closed", "high", "wash_trading"]
    assert (
        f"notional {notional.normalize():f}, quantity {10 * ROUND_TRIPS}, round_trips {ROUND_TRIPS}" in shown
    )
    assert [line.split()[1] for line in shown.splitlines() if " IBM at " in line] == known.facts["washed"]
    steps_told = [line.split()[3:6] for line in shown.partition("what was done")[2].splitlines() if line]
    eve = ["compliance", words["EVE"]]
    assert steps_told[2:] == [["assigned", *eve], ["noted", *eve], ["closed", *eve]]
    assert [step[0] for step in steps_told[:2]] == ["opened", "blocked"]
    assert "came to   warned: told to stop" in shown
    assert found.endswith("1 alert(s), 0 without a case.\n")
    assert words["CASE"] in found
    assert f"asked by {words['ANN']} " in approval
    assert f"approved by {words['BEN']} " in approval
    assert approval.split()[1:4] == ["reinstatement", "done", words["SUSPECT"]]
    assert f"log position {fact.split()[1]}: " in approval
    assert f"admin {words['BEN']} " in fact
    for name, deed in (("ANN", "/reinstatements: 201"), ("BEN", "/approve: 200"), ("EVE", "/close: 200")):
        assert [words[name] in line for line in right(acts).splitlines() if deed in line] == [True]


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
    6: who_gave_it,
    7: who_looked,
    8: by_the_names_of_cat,
    9: as_recorded,
    10: an_old_month,
    11: wash_trading,
    12: forgotten,
}
