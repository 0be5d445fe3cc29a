"""What operators do with projections: see where they stand, and rebuild them while everything goes on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.errors import NotFound
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.projecting import parking, repairing
from infrastructure.projecting.folding import FoldFailed
from infrastructure.projecting.parking import ParkedAccount, Retried, parked_accounts
from infrastructure.projecting.rebuild import control
from infrastructure.projecting.rebuild.child import Order
from infrastructure.projecting.rebuild.control import UnderWay, WentBack
from infrastructure.projecting.rebuild.desk import RebuildDesk, RebuildJob
from infrastructure.projecting.rebuild.manner import Manner
from infrastructure.projecting.rebuild.reports import Rebuilt
from infrastructure.projecting.rebuilding import Progress, rebuild_together
from infrastructure.projecting.repairing import HistoryMustBeFoldable, Repaired
from infrastructure.projecting.standing import standings
from projections.catalogue import BY_NAME, PROJECTIONS

__all__ = ["RebuildJob", "Repaired", "Retried", "UnderWay", "WentBack"]


class ProjectionMustExist(NotFound):
    """No projection has this name."""


class ProjectionStatus(Struct, frozen=True, kw_only=True):
    """Where a projection stands: its position, how many events it is behind the log's end, what it put aside."""

    name: str
    version: int
    partitions: int
    position: int
    lag: int
    updated_at: datetime | None
    failure: str | None
    parked: list[ParkedAccount]


def require_known(names: Sequence[str]) -> list[str]:
    """The names as given, or all for none. Raises ProjectionMustExist."""
    for name in names:
        if name not in BY_NAME:
            raise ProjectionMustExist(f"there is no projection {name}; there are {', '.join(BY_NAME)}")
    return list(names) or list(BY_NAME)


def statuses(url: str) -> list[ProjectionStatus]:
    """Every projection of the catalogue, in its order."""
    with connect(url, application="daybook projections") as connection:
        known, end = standings(connection), last_row(connection)[0]
        parked = parked_accounts(connection)
    found = []
    for name, projection in BY_NAME.items():
        standing = known.get(name)
        position = standing.position if standing else 0
        found.append(
            ProjectionStatus(
                name=name,
                version=standing.version if standing else projection.version,
                partitions=standing.partitions if standing else 1,
                position=position,
                lag=end - position,
                updated_at=standing.updated_at if standing else None,
                failure=standing.failure if standing else None,
                parked=[one for one in parked if one.name == name],
            )
        )
    return found


def rebuild_all(
    url: str,
    names: Sequence[str],
    *,
    parallel: int = 1,
    fresh: bool = False,
    manner: Manner | None = None,
    progress: Progress | None = None,
) -> list[Rebuilt]:
    """Rebuild these projections from one read of the log; none named means all."""
    projections = [BY_NAME[name] for name in require_known(names)]
    return rebuild_together(
        url, projections, parallel=parallel, fresh=fresh, manner=manner, progress=progress
    )


class ProjectionDesk(RebuildDesk):
    """What staff may do with projections over HTTP. Its methods block, but for the beginning of a rebuild."""

    def status(self) -> list[ProjectionStatus]:
        """Where they stand."""
        return statuses(self._url)

    def start_rebuild(
        self, names: Sequence[str], *, parallel: int = 1, fresh: bool = False, gentle: bool = True
    ) -> UUID:
        """Begin a rebuild and return at once. Raises ProjectionMustExist."""
        wanted = require_known(names)
        return self.start(Order(url=self._url, names=wanted, parallel=parallel, fresh=fresh, gentle=gentle))

    def start_verify(self, names: Sequence[str], *, rows: bool = False) -> UUID:
        """Begin a verification and return at once. Raises ProjectionMustExist."""
        return self.start(Order(url=self._url, names=require_known(names), work="verify", rows=rows))

    def retry(self, names: Sequence[str], account_id: UUID | None) -> list[Retried]:
        """Fold what was left out of parked accounts. Raises ProjectionMustExist."""
        return parking.retry(self._url, names=require_known(names), account_id=account_id)

    def repair(self, name: str, account_id: UUID) -> Repaired:
        """Make one account's rows anew.

        Raises ProjectionMustExist, AccountMustExist, ProjectionMustBeByAccount, ProjectionMustBeOfThisVersion,
        HistoryMustBeFoldable.
        """
        (known,) = require_known([name])
        try:
            return repairing.repair(self._url, BY_NAME[known], account_id)
        except FoldFailed as error:
            raise HistoryMustBeFoldable(str(error)) from error

    def under_way(self) -> list[UnderWay]:
        """The unfinished rebuilds, whoever began them."""
        return under_way(self._url)

    def pause(self, names: Sequence[str]) -> list[str]:
        """Let rebuilds stop after the chunk at hand. Raises RebuildMustBeUnderWay."""
        return control.pause(self._url, names)

    def resume(self, names: Sequence[str]) -> list[str]:
        """Let paused rebuilds go on. Raises RebuildMustBeUnderWay."""
        return control.resume(self._url, names)

    def roll_back(self, name: str) -> WentBack:
        """Let the previous table go live again. Raises ProjectionMustExist, PreviousTableMustExist."""
        return roll_back(self._url, name)

    def forget(self, name: str) -> None:
        """Drop the previous table. Raises ProjectionMustExist, PreviousTableMustExist."""
        forget(self._url, name)


def roll_back(url: str, name: str) -> WentBack:
    """Let the previous table of a projection go live again."""
    return control.roll_back(url, BY_NAME[require_known([name])[0]])


def forget(url: str, name: str) -> None:
    """Drop the previous table of a projection."""
    control.forget(url, BY_NAME[require_known([name])[0]])


def under_way(url: str) -> list[UnderWay]:
    """The unfinished rebuilds, whoever began them."""
    return control.under_way(url, PROJECTIONS)
