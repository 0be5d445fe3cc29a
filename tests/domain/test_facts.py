"""What is stored is for ever: names and fields are pinned here, and a change must be meant."""

import msgspec
import pytest

from domain.account import Entitlement, Unsettled
from domain.aggregate import Event, EventRef
from domain.case import Evidence
from domain.facts import AGGREGATE_OF, AGGREGATES, KINDS, TOPICS
from domain.interest import AnnualRate
from domain.position import Lot, Relief, ReturnedLot, SplitLot, SplitReserve
from domain.terms import LotChoice, OrderTerms
from domain.trade import Charge

EVERY_FACT = "originator_id originator_version account_id recorded_at effective_on corrects"

STORED = {
    "Account.Opened": "owner_id currency",
    "Account.Deposited": "transfer_id amount repaid",
    "Account.Withdrawn": "transfer_id amount held",
    "Account.FundsHeld": "order_id amount",
    "Account.FundsReleased": "order_id amount is_open",
    "Account.PurchaseDebited:2": (
        "order_id execution_id symbol quantity price amount leaves_quantity released settles_on street"
    ),
    "Account.SaleCredited:2": (
        "order_id execution_id symbol quantity price amount leaves_quantity settles_on street fees"
    ),
    "Account.Suspended": "reason until case_id",
    "Account.Reinstated": "reason",
    "Account.Closed": "",
    "Account.Settled": "settles_on due",
    "Account.GoodFaithViolated": "order_id execution_id symbol quantity paid_on trade_date",
    "Account.WithdrawalHeld": "transfer_id amount",
    "Account.WithdrawalReleased": "transfer_id amount",
    "Account.WithdrawalPutBack": "transfer_id amount repaid",
    "Account.DepositTakenBack": "transfer_id amount owed",
    "Account.LotMethodChosen": "method",
    "Account.DividendEntitled": "entitlement",
    "Account.DividendPaid": "action_id symbol quantity rate gross amount withheld",
    "Account.InterestPaid": "first_day last_day accrued gross amount withheld",
    "Account.SharesSplit": "action_id symbol numerator denominator before after",
    "Account.CashInLieuPaid": "action_id symbol quantity price amount",
    "Account.Reversed": "reverses kind fact reason settles_on",
    "Order.Placed": "terms price_cap charges_held",
    "Order.Rejected": "terms reason detail",
    "Order.Accepted": "venue",
    "Order.Triggered": "quote elected_by price",
    "Order.Executed": "execution_id venue quantity price amount leaves_quantity quote charges",
    "Order.Replaced": "terms price_cap revision charges_held",
    "Order.Adjusted": "action_id terms price_cap filled revision",
    "Order.Cancelled": "reason leaves_quantity",
    "Order.Expired": "reason leaves_quantity",
    "Order.Reversed": "reverses kind fact reason",
    "Position.SharesReserved": "symbol order_id quantity lots",
    "Position.SharesReleased": "symbol order_id quantity",
    "Position.LotOpened": "symbol order_id execution_id lot street charges",
    "Position.LotsRelieved": (
        "symbol order_id execution_id quantity proceeds cost profit relieved method street charges trade_date"
    ),
    "Position.Split": "action_id symbol numerator denominator before after lots reserves",
    "Position.FractionCashed": "action_id symbol quantity price cash cost profit relieved",
    "Position.WashSaleDisallowed": (
        "symbol execution_id sold_lot_id sold_on quantity disallowed term replacement_id cost lot"
    ),
    "Position.Reversed": "reverses kind fact reason returned",
    "CorporateAction.DividendAnnounced": "symbol rate ex_date record_date pay_date",
    "CorporateAction.SplitAnnounced": "symbol numerator denominator ex_date cash_in_lieu",
    "CorporateAction.Begun": "",
    "CorporateAction.EntitlementsFixed": "accounts quantity amount",
    "CorporateAction.Completed": "accounts",
    "CorporateAction.Cancelled": "reason",
    "InterestPeriod.Begun": "first_day last_day rates",
    "InterestPeriod.Paid": "accounts amount",
    "Transfer.Initiated": "direction amount due_at",
    "Transfer.Completed": "",
    "Transfer.Failed": "reason",
    "Transfer.Returned": "direction amount reason",
    "Erasure.Certified": "user_id erased key_fingerprint requested_by requested_at approved_by approved_at erased_at",
    "Case.Opened": "kind severity symbol day alerted_at log_position evidence figures",
    "Case.Assigned": "assignee_id",
    "Case.Noted": "text",
    "Case.Closed": "resolution reason",
}

WITHIN = {
    OrderTerms: "symbol side type quantity time_in_force limit_price stop_price client_order_id lot_method lots",
    LotChoice: "lot_id quantity",
    Lot: "lot_id quantity cost acquired_at paid_on trade_date held_since replaces order_id",
    Relief: "lot_id quantity cost acquired_at paid_on trade_date held_since",
    Unsettled: "proceeds purchases street_due street_owed fees bought sold",
    Charge: "name amount exact",
    Entitlement: "action_id symbol quantity rate gross ex_date pay_date",
    SplitLot: "lot_id before after cost acquired_at",
    SplitReserve: "order_id before after",
    ReturnedLot: "lot place",
    EventRef: "originator_id originator_version",
    Evidence: "log_position subject_id",
    AnnualRate: "since rate",
}

A_PLACED_ORDER = (
    b'{"originator_id":"00000000-0000-0000-0000-000000000003","originator_version":1,'
    b'"account_id":"00000000-0000-0000-0000-000000000002","recorded_at":"2026-01-05T15:30:00Z",'
    b'"terms":{"symbol":"AAPL","side":"buy","type":"limit","quantity":"10.000000","time_in_force":"day",'
    b'"limit_price":"100.0000","stop_price":null,"client_order_id":null},"price_cap":"100.0000"}'
)


def test_the_stored_names_are_these_and_no_others():
    found = set(KINDS)

    assert found == set(STORED)
    assert list(TOPICS.values()) == list(STORED)


@pytest.mark.parametrize("topic", STORED)
def test_the_fields_of_a_stored_fact_are_these_and_no_others(topic):
    kind = KINDS[topic]

    fields = " ".join(kind.__struct_fields__)

    assert set(fields.split()) == {*EVERY_FACT.split(), *STORED[topic].split()}
    assert [f for f in fields.split() if f not in EVERY_FACT.split()] == STORED[topic].split()


@pytest.mark.parametrize("kind", WITHIN)
def test_the_fields_of_what_facts_are_made_of_are_these_and_no_others(kind):
    assert " ".join(kind.__struct_fields__) == WITHIN[kind]


def test_every_fact_of_an_aggregate_is_listed_with_it():
    for aggregate in AGGREGATES:
        attributes = (getattr(aggregate, name) for name in dir(aggregate))
        written = {k for k in attributes if isinstance(k, type) and issubclass(k, Event)}

        assert written == set(aggregate.FACTS)
        assert {kind for kind, owner in AGGREGATE_OF.items() if owner is aggregate} == written


def test_what_was_stored_once_is_read_and_written_with_the_same_bytes():
    event = msgspec.json.decode(A_PLACED_ORDER, type=KINDS["Order.Placed"])

    again = msgspec.json.encode(event)

    assert again == A_PLACED_ORDER


@pytest.mark.parametrize("rubbish", [b'"recorded_at":"yesterday"', b'"recorded_at":1'])
def test_rubbish_in_the_store_is_refused_on_reading(rubbish):
    damaged = A_PLACED_ORDER.replace(b'"recorded_at":"2026-01-05T15:30:00Z"', rubbish)

    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(damaged, type=KINDS["Order.Placed"])

    assert "recorded_at" in str(caught.value)
