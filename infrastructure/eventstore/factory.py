"""What the library calls to make our recorder (its PERSISTENCE_MODULE).

It takes the one factory class it finds in this module, so none is imported here by name.
"""

from eventsourcing import postgres

from infrastructure.eventstore.recorder import LogRecorder


class Factory(postgres.PostgresFactory):
    """Makes our recorder; the schema is made by migrations."""

    application_recorder_class = LogRecorder

    def env_create_table(self) -> bool:
        """Never: the migrations make the tables."""
        return False
