"""The rows of the table that are about services which go wrong, or are not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.testing import Connection, answer_bytes, peers
from tests.e2e.faults import Fault, Sent, behind_a_file, cut, post

__all__ = ["FAILURES", "routes_to", "services_at", "take"]

SOON = "300ms"

PLAYED: dict[str, dict[str, object]] = {
    "played": {},
    "first-byte": {"timeout": {"first_byte": SOON}},
    "stall": {"timeout": {"stall": SOON}},
    "total": {"timeout": {"total": "500ms"}},
}
"""They lead to the service that plays the script of a row."""


def services_at(*, played: str, strange: str, refused: str, deaf: str) -> Mapping[str, Mapping[str, object]]:
    """The services of these rows by name: who plays a script, whose certificate nobody knows, who is not there."""
    secure = played.replace("http:", "https:")
    return {
        **{name: {"url": f"{played}/{name}", **more} for name, more in PLAYED.items()},
        "strange": {"url": strange},
        "plain": {"url": secure},
        "mute": {"url": secure, "timeout": {"connect": SOON}},
        "refused": {"url": refused},
        "nameless": {"url": "http://no-such-host.invalid/"},
        "deaf": {"url": deaf, "timeout": {"connect": SOON}},
    }


def routes_to(services: Mapping[str, Mapping[str, object]]) -> Mapping[str, Mapping[str, object]]:
    """Their routes: each at the path of its name, and one that replies with JSON of its own."""
    both = {"bodies": ["multipart", "raw"]}
    routes: dict[str, dict[str, object]] = {name: {"path": f"/{name}", "to": name, "accept": both} for name in services}
    routes["enveloped"] = {"path": "/enveloped", "to": "played", "reply": "json"}
    return routes


def take(connection: Connection) -> None:
    """What a good service does."""
    connection.read_head()
    connection.read_body()
    connection.send(answer_bytes(200, b"taken", [("Connection", "close")]))


def not_tls(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 400 what is this?\r\n\r\n")


def whole(path: str) -> Sent:
    """An upload with nothing wrong."""
    return replace(behind_a_file(path=path), lead=None)


def begun(path: str) -> Sent:
    """The first half of one: the client is told without the rest."""
    return cut(whole(path), 35_000)


LARGE = post("/stall", bytes(12 * 2**20), "application/pdf")
"""More than all the buffers on the way take."""
SLOWLY = peers.answer_dribbled(answer_bytes(200, headers=[("X-A", "a" * 1000)]), interval=0.02)

FAILURES = [
    # no connection
    Fault("refused", begun("/refused"), 502, "service_unreachable", "Connection refused"),
    Fault("unreachable name", begun("/nameless"), 502, "service_unreachable", "'http://no-such-host.invalid/'"),
    Fault("nobody accepts", begun("/deaf"), 504, "service_connect_timeout", "0.3 s"),
    Fault("unknown certificate", begun("/strange"), 502, "service_tls_failure", "certificate"),
    Fault("not TLS", begun("/plain"), 502, "service_tls_failure", "https://", script=not_tls),
    Fault("silent instead of TLS", begun("/mute"), 504, "service_connect_timeout", "0.3 s", script=Connection.hold),
    # no answer
    Fault("closes at once", begun("/played"), 502, "service_reset", "closed the connection", taken=0,
          script=peers.close_without_answer(after=0)),
    Fault("resets in the body", begun("/played"), 502, "service_reset", "in the middle of the upload", taken=10_000,
          script=peers.reset_in_body(after=10_000)),
    Fault("resets in the body, JSON reply", begun("/enveloped"), 502, "service_reset", "in the middle of the upload",
          taken=10_000, script=peers.reset_in_body(after=10_000), enveloped=True),
    Fault("closes behind the body", whole("/played"), 502, "service_reset", "waiting for the answer", taken="all",
          script=peers.close_without_answer(), stays=True),
    Fault("stalls while we send", LARGE, 504, "service_stalled", "0.3 s", taken=10_000,
          script=peers.stall(after=10_000)),
    Fault("silent", whole("/first-byte"), 504, "service_first_byte_timeout", "0.3 s", taken="all",
          script=peers.never_answer(), stays=True),
    Fault("takes too long", whole("/total"), 504, "service_total_timeout", "0.5 s", taken="all", script=SLOWLY,
          stays=True),
    # a bad answer
    Fault("garbage", whole("/played"), 502, "service_answer_invalid", r"'220 mail.example ESMTP ready\r\n'",
          taken="all", script=peers.answer_garbage(), stays=True),
    Fault("cut off in the head", whole("/played"), 502, "service_answer_invalid", "in the middle", taken="all",
          script=peers.answer_garbage(b"HTTP/1.1 200 OK\r\nContent-Le"), stays=True),
    Fault("cut off before its body", whole("/played"), 502, "service_answer_invalid", "in the middle", taken="all",
          script=peers.answer_cut_in_length(b""), stays=True),
    Fault("two lengths", whole("/played"), 502, "service_answer_invalid", "its length is ['5', '3']", taken="all",
          script=peers.answer_garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\n12345"),
          stays=True),
    Fault("redirect", whole("/played"), 502, "service_redirects", "'/new'", taken="all",
          script=peers.redirect(302, "/new"), stays=True),
    Fault("too large for JSON", whole("/enveloped"), 502, "service_answer_too_large", "33554432", taken="all",
          script=peers.answer_garbage(answer_bytes(200, bytes(2**25 + 1))), enveloped=True, stays=True),
]  # fmt: skip
