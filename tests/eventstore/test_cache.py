"""Aggregates in memory: who gives way when there are too many."""

from uuid import uuid4

from domain.account import Account
from infrastructure.eventstore.cache import AggregateCache


def test_the_least_recently_used_give_way() -> None:
    accounts = [Account(id=(account_id := uuid4()), account_id=account_id) for _ in range(6)]
    cache = AggregateCache(3)
    for account in accounts[:5]:
        cache.put(account)
    assert cache.get(accounts[0].id) is accounts[0]

    assert len(cache) == 5, "nothing is forgotten before it is trimmed"
    cache.trim()
    cache.put(accounts[5])
    cache.trim()

    assert [one.id in cache for one in accounts] == [True, False, False, False, True, True]
    cache.trim()
    assert len(cache) == 3
