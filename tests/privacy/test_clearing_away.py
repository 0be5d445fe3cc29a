"""After an erasure the emptied rows are cleared away by the role that runs Daybook."""

import psycopg

from infrastructure.privacy.erasing import _CLEAR_AWAY
from tests.conftest import Database


def test_the_running_role_may_clear_away_what_was_erased(database: Database) -> None:
    said: list[str] = []
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        connection.execute(_CLEAR_AWAY)

    assert said == []  # PostgreSQL only warns whom it does not let
