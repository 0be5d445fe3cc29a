"""An export takes no more memory for a log four times as long; the soak does the same with 100,000 trades."""

from typing import Any

from tests.conftest import new_database
from tests.soak.export import GROWTH_MB_MAX, measured
from tests.soak.export_log import trades


def test_memory_does_not_grow_with_the_log(servers: Any, database_template: str) -> None:
    peaks = []
    for count in (2_000, 8_000):
        with new_database(servers, database_template) as found:
            trades(found.app_url, count)
            peaks.append({form: measured(found.app_url, form) for form in ("beancount", "csv", "parquet")})

    for form, before in peaks[0].items():
        after = peaks[1][form]
        assert after.size_mb > 2 * before.size_mb
        assert after.peak_mb - before.peak_mb < GROWTH_MB_MAX
