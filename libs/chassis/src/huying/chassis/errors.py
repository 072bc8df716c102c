"""What can go wrong, and its fate. Declined is no exception: it is an event or a problem+json answer.

HuyingError
├── ConfigurationError   the operator has to act; the service refuses to start or to go on
│   └── PutBack          the database is an older one than this process wrote to: it must start anew
├── Transient            may heal: bounded back-off, nothing is skipped
├── Conflict             somebody else wrote first: drop what is in memory, read again
│   └── Outrun           of the ledger, or of a document in another's hand: no record's own fault, however often
└── Broken               will not heal: this record is parked with its reason
"""


class HuyingError(Exception):
    """Root of the errors of this system."""


class ConfigurationError(HuyingError):
    """The installation is wrong; the message says what to change."""


class PutBack(ConfigurationError):
    """The database was put back to an older state under a running service; started anew, it reads again what is lost."""


class Transient(HuyingError):
    """A fault that may heal by itself: a database without primary, a broker that restarts."""


class Conflict(HuyingError):
    """The ledger, a sequence or a guard moved under us: another replica, or our own earlier self."""


class Outrun(Conflict):
    """Another replica's transaction moved a position or the sequence, or holds a document, before ours."""


class Broken(HuyingError):
    """A record that cannot be used. `reason` is a short closed word for the metric's label."""

    def __init__(self, reason: str, message: str) -> None:
        """Keep the closed reason apart from the sentence."""
        super().__init__(message)
        self.reason = reason
