"""Services over TLS, with a certificate that is made for the test and trusted by the gateway under test only."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from pathlib import Path

import gateway
from gateway.testing.listening import Listener
from tests.e2e.honesty import Play, Witness

__all__ = ["SecurePlay", "SecureWitness", "make_certificate", "trust"]


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, which is its own authority, and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *options, *names, *files], check=True, capture_output=True)
    return certificate, key


def trust(certificate: Path, directory: Path) -> dict[str, str]:
    """The environment of a process that trusts this certificate and no other.

    The authorities that requests trusts are those of the package certifi, so this is one.
    """
    package = directory / "certifi"
    package.mkdir()
    package.joinpath("__init__.py").write_text(f"def where():\n    return {str(certificate)!r}\n")
    ours = Path(gateway.__file__).parents[1]
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(ours)])}


class _Secure(Listener):
    """What a service does over TLS: the same, behind a handshake."""

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__()
        self.url = self.url.replace("http:", "https:")
        self.certificate = certificate
        self._context = _context(certificate, key)

    def _handle(self, connection: socket.socket, number: int) -> None:
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self._adopt(secured)
            super()._handle(secured, number)


class SecurePlay(_Secure, Play):
    """A Play over TLS."""


class SecureWitness(_Secure, Witness):
    """A Witness over TLS."""


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
