"""Paths of routes, and what their placeholders stood for: as the client wrote it, or decoded as a name."""

from __future__ import annotations

import pytest

from gateway.web.paths import filename_in, rest_in, rules_of


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("/file", ("/file",)),
        ("/files/<filename>", ("/files/<filename>",)),
        ("/dav/<rest>", ("/dav/", "/dav/<path:rest>")),
        ("/<rest>", ("/", "/<path:rest>")),
        (None, ("/", "/<path:rest>")),
    ],
)
def test_a_path_is_matched_by_these_rules(path: str | None, rules: tuple[str, ...]) -> None:
    assert rules_of(path) == rules


def environ(decoded: str, target: str | None, mount: str = "") -> dict[str, str]:
    """PEP 3333: the path comes decoded, its bytes as Latin-1."""
    values = {"PATH_INFO": decoded.encode().decode("latin-1"), "SCRIPT_NAME": mount}
    return values if target is None else {**values, "RAW_URI": target}


@pytest.mark.parametrize(
    ("path", "decoded", "target", "mount", "rest", "filename"),
    [
        # no placeholder
        ("/file", "/file", "/file?x=1", "", None, None),
        # as the client wrote it
        ("/files/<filename>", "/files/a b.pdf", "/files/a%20b.pdf", "", "a%20b.pdf", "a b.pdf"),
        ("/files/<filename>", "/files/ä.pdf", "/files/%c3%A4.pdf?x=/1", "", "%c3%A4.pdf", "ä.pdf"),
        ("/dav/<rest>", "/dav/x/y/z.bin", "/dav/x/y/z.bin", "", "x/y/z.bin", "z.bin"),
        ("/dav/<rest>", "/dav/x/", "/dav/x/", "", "x/", None),
        ("/dav/<rest>", "/dav/", "/dav/", "", "", None),
        ("/<rest>", "/x/y", "/x/y", "", "x/y", "y"),
        # a slash that is no separator stays one that is none
        ("/dav/<rest>", "/dav/a/b", "/dav/a%2Fb", "", "a%2Fb", "b"),
        # in absolute form (RFC 9112 section 3.2.2), behind a mount, with a prefix that is spelt otherwise
        ("/dav/<rest>", "/dav/x%", "http://h.test/dav/x%25?q", "", "x%25", "x%"),
        ("/dav/<rest>", "/dav/x y", "/up/dav/x%20y", "/up", "x%20y", "x y"),
        ("/dav/<rest>", "/dav/x", "/d%61v/x", "", "x", "x"),
        ("/dav/<rest>", "/dav/x y", "/dav%2Fx%20y", "", "x%20y", "x y"),
        # a server that does not tell how it was written
        ("/dav/<rest>", "/dav/ä b?.bin", None, "", "%C3%A4%20b%3F.bin", "ä b?.bin"),
        ("/dav/<rest>", "/dav/x", "http://[::1/dav/x", "", "x", "x"),
        # any path at all: there is a rest, but the last segment is no file's name
        (None, "/text/api", "/text/api", "", "text/api", None),
        (None, "/", "/", "", "", None),
    ],
)
def test_a_placeholder_stands_for_what_the_client_wrote(
    path: str | None, decoded: str, target: str | None, mount: str, rest: str | None, filename: str | None
) -> None:
    assert rest_in(environ(decoded, target, mount), path) == rest
    assert filename_in(environ(decoded, target, mount), path) == filename


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    latin = {"PATH_INFO": "/files/\xe4.pdf", "RAW_URI": "/files/%E4.pdf"}

    assert rest_in(latin, "/files/<filename>") == "%E4.pdf"
    assert filename_in(latin, "/files/<filename>") == "\udce4.pdf"
