"""Tables that tell of the same thing fold it by the same code: their rows cannot drift apart."""

from projections import filled, worth
from projections.history import EquityRow, History
from projections.open_orders import OpenOrder
from projections.orders import OrderRow
from projections.statements import StatementRow, Statements


def test_what_moves_no_worth_is_named_once():
    assert History.ignores is Statements.ignores is worth.UNMOVED


def test_rows_have_what_their_common_code_changes():
    for protocol, rows in ((worth.Worth, (EquityRow, StatementRow)), (filled.Filled, (OrderRow, OpenOrder))):
        for row in rows:
            assert set(protocol.__annotations__) <= set(row.__struct_fields__), row
