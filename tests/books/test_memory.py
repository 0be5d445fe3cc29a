"""An export takes no more memory for a log four times as long; the soak does the same with 100,000 trades."""

from typing import Any

from tests.conftest import _as_superuser
from tests.soak.export import GROWTH_MB_MAX, measured
from tests.soak.export_log import trades


def test_memory_does_not_grow_with_the_log(servers: Any, database_template: str) -> None:
    peaks = []
    for number, count in enumerate((2_000, 8_000)):
        name = f"daybook_long_{number}"
        _as_superuser(servers, f"CREATE DATABASE {name} TEMPLATE {database_template} OWNER daybook_owner")
        url = servers.postgres.url(user="daybook_app", database=name)
        trades(url, count)
        peaks.append({form: measured(url, form) for form in ("beancount", "csv", "parquet")})
        _as_superuser(servers, f"DROP DATABASE {name} WITH (FORCE)")

    for form, before in peaks[0].items():
        after = peaks[1][form]
        assert after.size_mb > 2 * before.size_mb
        assert after.peak_mb - before.peak_mb < GROWTH_MB_MAX
