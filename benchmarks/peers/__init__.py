"""The table of peers, in the order in which reports show them. A new peer is a module and a row here."""

from __future__ import annotations

from benchmarks.peers.base import Peer, Site
from benchmarks.peers.direct import Direct
from benchmarks.peers.flask_views import FlaskView
from benchmarks.peers.gateway_process import GatewayProcess
from benchmarks.peers.haproxy import Haproxy
from benchmarks.peers.nginx import Nginx

__all__ = ["PEERS", "Peer", "Site"]

PEERS: tuple[Peer, ...] = (
    Direct(),
    GatewayProcess(),
    Haproxy(),
    Nginx(name="nginx-streaming", buffering="off"),
    Nginx(name="nginx-buffering", buffering="on"),
    FlaskView(
        name="flask-encoder",
        title="Flask + MultipartEncoder",
        module="encoder_view",
        libraries=("flask", "gunicorn", "requests", "requests-toolbelt"),
    ),
    FlaskView(
        name="flask-files",
        title="Flask + requests files=",
        module="files_view",
        libraries=("flask", "gunicorn", "requests"),
    ),
)
