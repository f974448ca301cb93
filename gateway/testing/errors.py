"""What can go wrong between test peers; apart from the gateway's own catalogue, which users see.

    GatewayError
    ├── ConnectionEnded   the peer closed in the middle of a message
    ├── MessageInvalid    the peer sent something that is not valid HTTP/1.1 or multipart
    ├── WaitedInVain      what was waited for did not happen in time
    ├── PeerFailed        a service, script or relay failed, or did not end
    └── ProcessFailed     a process did not start, or did not end

Which is raised where says whose fault it is: the first two are the peer's, the others the test's or ours.
"""

from __future__ import annotations

from gateway.errors import GatewayError

__all__ = ["ConnectionEnded", "MessageInvalid", "PeerFailed", "ProcessFailed", "WaitedInVain"]


class ConnectionEnded(GatewayError):
    """The peer closed the connection in the middle of a message."""

    code = "connection_ended"

    def __init__(self, detail: str, *, heard: bytes = b"") -> None:
        super().__init__(detail)
        self.heard = heard
        """What had come of the unfinished head or line."""


class MessageInvalid(GatewayError):
    """The peer sent something that is not a valid message."""

    code = "message_invalid"
    hint = "The readers of `gateway.testing` forgive nothing: the sender has a bug, or meant to send this."


class WaitedInVain(GatewayError):
    """What was waited for did not happen in time."""

    code = "waited_in_vain"


class PeerFailed(GatewayError):
    """A service, script or relay of a test failed, or did not end."""

    code = "peer_failed"


class ProcessFailed(GatewayError):
    """A process that was started did not work, or did not end."""

    code = "process_failed"
    hint = "The end of its log is shown above."
