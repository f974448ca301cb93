"""Whether the files that `tls` names are what it says: looked up when the configuration is read, not at a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.settings.sections import Key
from gateway.settings.values import Expected

__all__ = ["wrong_certificates"]


def wrong_certificates(data: object) -> Iterator[tuple[Key, Expected]]:
    """What is wrong with them, each with its key. Takes the document as plain data, whatever else is wrong with it."""
    services = data.get("services") if isinstance(data, dict) else None
    for name, service in services.items() if isinstance(services, dict) else ():
        tls = service.get("tls") if isinstance(service, dict) else None
        if isinstance(tls, dict):
            files = {key: path for key, path in tls.items() if key in ("ca", "cert", "key") and isinstance(path, str)}
            for key, expected in _wrong_files(files):
                yield ("services", name, "tls", key), expected


def _wrong_files(files: dict[str, str]) -> Iterator[tuple[str, Expected]]:
    wrong = {key: reason for key, path in files.items() if (reason := _unreadable(path)) is not None}
    for key in {"ca", "cert"} & set(files) - set(wrong):
        if not _has_certificate(files[key]):
            wrong[key] = "expected a PEM file with a certificate"
    if "cert" in files and not {"cert", "key"} & set(wrong):
        reason = _wrong_key(files["cert"], files.get("key"))
        if reason is not None:
            wrong["key" if "key" in files else "cert"] = reason
    yield from ((key, Expected(reason)) for key, reason in wrong.items())


def _unreadable(path: str) -> str | None:
    try:
        with Path(path).open("rb"):
            return None
    except OSError as error:
        return f"expected a file that can be read ({error.strerror})"
    except ValueError:
        return "expected the path of a file"


def _has_certificate(path: str) -> bool:
    import ssl  # only where there are certificates

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:
        return False
    return True


def _wrong_key(cert: str, key: str | None) -> str | None:
    """What should have been there; None if it is."""
    import ssl

    asked = False

    def password() -> str:
        # Without this, OpenSSL would ask on the terminal.
        nonlocal asked
        asked = True
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=password)
    except OSError as error:
        if asked:
            return "expected a key without a password, as nobody is there to type it"
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            return "expected the key of the certificate in `cert`"
        if key is None:
            return "expected a PEM file with the certificate and its key, or `key` beside it"
        return "expected a PEM file with the key of the certificate in `cert`"
    return None
