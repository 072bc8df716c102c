"""What can go wrong with programs of the stack; every message says what to do next. Refuses to hide a log.

StackError
├── AlreadyRunningError   the folder belongs to a stack whose owner lives
├── DidNotStartError      a program ended, or was not ready in time
├── PortInUseError        another program listens where we must
└── ProgramMissingError   Java, Maven, mosquitto or a wheel is not installed
"""


class StackError(RuntimeError):
    """Anything that keeps the stack from running."""


class AlreadyRunningError(StackError):
    """Another live process runs a stack in the same folder."""


class DidNotStartError(StackError):
    """A program ended at once, or did not become ready in time; the message ends with its log."""


class PortInUseError(StackError):
    """A port that we must listen on is taken; the message names the program that has it, where visible."""


class ProgramMissingError(StackError):
    """A program is not installed; the message says how to get it."""
