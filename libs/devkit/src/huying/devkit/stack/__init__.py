"""The embedded stack: broker, database and MQTT as child processes. Refuses to be what production relies on."""

from .errors import AlreadyRunningError, DidNotStartError, PortInUseError, ProgramMissingError, StackError
from .mqtt_brokers import MqttKind
from .ports import Ports
from .procs import Memory, ServiceProcess
from .stack import BrokerKind, PartName, Stack, default_directory

__all__ = [
    "AlreadyRunningError",
    "BrokerKind",
    "DidNotStartError",
    "Memory",
    "MqttKind",
    "PartName",
    "PortInUseError",
    "Ports",
    "ProgramMissingError",
    "ServiceProcess",
    "Stack",
    "StackError",
    "default_directory",
]
