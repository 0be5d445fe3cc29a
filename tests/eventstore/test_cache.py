"""Aggregates in memory: whatever is asked, an entry is the whole fold of what was learned, or is not there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from application.brokerage import fold
from domain.account import Account
from domain.aggregate import Event
from domain.facts import TOPICS
from infrastructure.eventstore.cache import AggregateCache
from infrastructure.eventstore.log import Foreign
from infrastructure.eventstore.mapper import encode_event

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
IDS = [UUID(int=n) for n in range(1, 6)]
LIMIT, BEHIND = 3, 4
CENT = Decimal("0.01")


def deposits(account_id: UUID, count: int) -> list[Event]:
    """An opening and this many deposits."""
    account = Account(id=account_id, account_id=account_id)
    account.open(owner_id=account_id, at=NOW)
    for number in range(count):
        account.deposit(CENT * (number + 1), transfer_id=UUID(int=number), at=NOW)
    return account.pending


def foreign(events: Sequence[Event], *, state: bytes | None = None) -> list[Foreign]:
    """Rows as the committer reads them; with this state instead of their own."""
    return [
        (
            0,
            b"",
            event.originator_id.bytes,
            event.originator_version,
            TOPICS[type(event)],
            None if event.originator_version == 1 else (state or encode_event(event)),
        )
        for event in events
    ]


@pytest.fixture
def cache() -> AggregateCache:
    return AggregateCache(LIMIT, behind_limit=BEHIND)


def test_what_others_appended_is_folded_when_it_is_asked_for(cache: AggregateCache) -> None:
    events = deposits(IDS[0], 3)
    cache.put(fold(None, events[:2]))

    cache.learn(foreign(events))

    assert cache.waiting == 2
    assert cache.get(IDS[0]) == fold(None, events)
    assert cache.waiting == 0


def test_a_missing_version_drops_the_entry(cache: AggregateCache) -> None:
    events = deposits(IDS[0], 3)
    cache.put(fold(None, events[:2]))

    cache.learn(foreign(events[3:]))

    assert cache.get(IDS[0]) is None
    assert (len(cache), cache.waiting) == (0, 0)


@pytest.mark.parametrize("state", [b'{"amount": 1}', b"no JSON"])
def test_an_entry_is_dropped_and_never_half_folded_when_a_row_does_not_fold(
    cache: AggregateCache, state: bytes
) -> None:
    events = deposits(IDS[0], 3)
    cache.put(fold(None, events[:2]))
    cache.learn(foreign(events[2:3]))

    cache.learn(foreign(events[3:], state=state))

    assert IDS[0] not in cache
    assert (len(cache), cache.waiting) == (0, 0)


def test_what_is_of_nobody_in_memory_does_not_wait(cache: AggregateCache) -> None:
    cache.learn(foreign(deposits(IDS[0], 9)))

    assert (len(cache), cache.waiting) == (0, 0)


def test_no_more_than_the_limit_waits_after_catching_up(cache: AggregateCache) -> None:
    for account_id in IDS[:2]:
        events = deposits(account_id, 4)
        cache.put(fold(None, events[:1]))
        cache.learn(foreign(events))

    cache.catch_up()

    assert cache.waiting == 4
    assert [cache.get(account_id) for account_id in IDS[:2]] == [
        fold(None, deposits(account_id, 4)) for account_id in IDS[:2]
    ]


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


class Learning(RuleBasedStateMachine):
    """One owner of a cache, who decides on what is in it and reads what is not, and another who appends beside."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = AggregateCache(LIMIT, behind_limit=BEHIND)
        self.log: dict[UUID, list[Event]] = {}
        self.unseen: list[Event] = []

    def whole(self, account_id: UUID) -> Account:
        return fold(None, self.log[account_id])

    def learned(self) -> None:
        """As under the log lock: all that others appended, before anything is decided."""
        self.cache.learn(foreign(self.unseen))
        self.unseen.clear()

    @rule(account_id=st.sampled_from(IDS), count=st.integers(1, 4))
    def somebody_appends(self, account_id: UUID, count: int) -> None:
        known = self.log.setdefault(account_id, [])
        new = deposits(account_id, len(known) + count)[len(known) :][:count]
        known += new
        self.unseen += new

    @rule(account_id=st.sampled_from(IDS), is_refused=st.booleans())
    def decide(self, account_id: UUID, is_refused: bool) -> None:
        """A command: what is not in memory is read; what a refused one changed is dropped."""
        self.learned()
        if account_id not in self.log:
            return
        found = self.cache.get(account_id)
        account = self.whole(account_id) if found is None else found
        assert account == self.whole(account_id)
        assert isinstance(account, Account)
        number = account.version  # so that it is the next of `deposits`
        account.deposit(CENT * number, transfer_id=UUID(int=number - 1), at=NOW)
        if is_refused:
            self.cache.drop(account_id)
        else:
            self.log[account_id] += account.pending
            account.pending.clear()
            self.cache.put(account)

    @rule(account_id=st.sampled_from(IDS))
    def prefetch(self, account_id: UUID) -> None:
        """What is read before the lock may be ahead of what was learned."""
        if account_id in self.log and account_id not in self.cache:
            self.cache.put(self.whole(account_id))

    @rule()
    def learn(self) -> None:
        self.learned()

    @rule()
    def end_a_batch(self) -> None:
        self.learned()
        self.cache.trim()
        self.cache.catch_up()
        assert len(self.cache) <= LIMIT
        assert self.cache.waiting <= BEHIND

    @rule()
    def lose_the_connection(self) -> None:
        self.cache.clear()
        self.unseen.clear()

    @invariant()
    def what_waits_is_counted_and_belongs_to_an_entry(self) -> None:
        behind = self.cache._behind
        assert self.cache.waiting == sum(map(len, behind.values()))
        assert all(behind.values())
        assert behind.keys() <= self.cache._entries.keys()

    def teardown(self) -> None:
        self.learned()
        for account_id, events in self.log.items():
            assert self.cache.get(account_id) in (None, fold(None, events))


TestLearning = Learning.TestCase
TestLearning.settings = settings(deadline=None, max_examples=150, stateful_step_count=40)
