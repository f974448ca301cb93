"""Peers and processes for tests, the gateway's own and yours; nothing in the gateway depends on them.

    messages     HTTP/1.1 heads and framing as values, read strictly; `wire` reads them from a socket
    forms        multipart bodies by hand, and taken apart again
    services     a service that records what it gets, byte for byte
    scripts      a service whose every byte is yours; `peers` has ready-made faults
    clients      a client that decides about every byte
    taps         a relay that shows what passes
    processes    a process that is started, watched and ended with all that it started
    gateways     the real gateway, as such a process
    extraction   a real text-extraction service, as such a process
    documents    a small real PDF

All of it talks to the loopback interface only, is used with `with`, and leaves no thread, socket or
process behind: what does not end in time is an error.
"""

from __future__ import annotations

from gateway.testing.clients import Answer, RawClient
from gateway.testing.errors import ConnectionEnded, MessageInvalid, PeerFailed, ProcessFailed, WaitedInVain
from gateway.testing.forms import boundary_of, field_part, file_part, multipart, split_multipart
from gateway.testing.listening import free_port, refused_port
from gateway.testing.messages import answer_bytes
from gateway.testing.scripts import Connection, Script, ScriptedService
from gateway.testing.services import Received, RecordingService
from gateway.testing.taps import Passage, Tap

__all__ = [
    "Answer",
    "Connection",
    "ConnectionEnded",
    "MessageInvalid",
    "Passage",
    "PeerFailed",
    "ProcessFailed",
    "RawClient",
    "Received",
    "RecordingService",
    "Script",
    "ScriptedService",
    "Tap",
    "WaitedInVain",
    "answer_bytes",
    "boundary_of",
    "field_part",
    "file_part",
    "free_port",
    "multipart",
    "refused_port",
    "split_multipart",
]
