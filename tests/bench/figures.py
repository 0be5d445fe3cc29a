"""Small sums: taking turns, medians, percentiles."""

import statistics
from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_turns(rounds: int, ours: Callable[[], A], ceiling: Callable[[], B]) -> tuple[list[A], list[B]]:
    """Measure A B A B …, so that a machine that grows slower or faster does it to both."""
    found_ours, found_ceiling = [], []
    for _ in range(rounds):
        found_ours.append(ours())
        found_ceiling.append(ceiling())
    return found_ours, found_ceiling


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie; 0 for none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99."""
    ordered = sorted(values)
    return percentile(ordered, 0.50), percentile(ordered, 0.95), percentile(ordered, 0.99)
