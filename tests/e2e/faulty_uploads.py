"""The rows of the table that are about what clients send.

Their routes and limits are here as well, so that a row can be understood without another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.testing.gateways import RunningGateway
from tests.e2e.faults import DELIMITER, END, HERE, TYPE, Fault, Keeper, Sent, behind_a_file, cut, form_of, post
from tests.e2e.honesty import opened

__all__ = ["BODIES", "FORM", "HEADS", "LIMITS", "NARROW", "NARROWNESS", "PDF", "ROUTES", "SERVICES"]

LIMITS = {"body": 16 * 2**20, "parts": 5, "part_headers": 256, "field": 1000, "json": 60_000}
SERVICES: dict[str, dict[str, object]] = {
    "live": {},
    "whole": {"deliver": "whole"},
    "bare": {"send": {"as": "raw"}},
    "dav": {"forward": {"path": "rest"}},
    "each": {"send": {"each": "file"}},
    "renamed": {"send": {"rename": {"file": "document"}}},
    "as-json": {"send": {"as": "json"}},
    "held": {},
}
"""Without their URLs: all lead to one service that does everything right."""
PICKY = {"require": ["document"], "types": ["application/pdf"]}
ROUTES: dict[str, dict[str, object]] = {
    "form": {"path": "/form", "to": "live"},
    "small": {"path": "/small", "to": "live", "accept": {"bodies": ["multipart", "raw"], "body": 100_000}},
    "files": {"path": "/files/<filename>", "to": "live", "accept": {"bodies": ["raw"]}},
    "picky": {"path": "/picky", "to": "live", "accept": PICKY},
    "bare-picky": {"path": "/picky/file", "to": "live", "accept": {"bodies": ["raw"], "types": ["application/pdf"]}},
    "json": {"path": "/json", "to": "live", "accept": {"bodies": ["json"]}},
    "json-picky": {"path": "/picky/json", "to": "live", "accept": {"bodies": ["json"], **PICKY}},
    **{name: {"path": f"/{name}", "to": name} for name in SERVICES if name != "dav"},
    "dav": {"path": "/dav/<rest>", "to": "dav"},
}
NARROWNESS = {
    "limits": {"concurrent": 1},
    "client": {"stall": "300ms"},
    "spool": {"memory": "1MiB", "quota": "1MiB"},
}

FIELD = b'Content-Disposition: form-data; name="a"'
FILE = b'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: application/pdf'
UNCHOSEN = b'Content-Disposition: form-data; name="document"; filename=""\r\n\r\n'
PDF = FILE + b"\r\n\r\n%PDF-1.7\n"
FORM = form_of(PDF)
TWICE = 'Content-Type: multipart/form-data; boundary="second"'


def bounded(boundary: str) -> Sent:
    """A form whose header says this of the boundary."""
    return post("/form", FORM, f"multipart/form-data{boundary}")


def json_of(body: bytes, path: str = "/json") -> Sent:
    return post(path, body, "application/json")


def bare(path: str, body: bytes = b"content", content_type: str = "text/plain") -> Sent:
    return post(path, body, content_type)


# --- told before the body is read ------------------------------------------------------------------


AT_ONCE = [
    # what the header says of the body
    Fault("not multipart", bare("/form"), 415, "not_multipart", "'text/plain'"),
    Fault("no type", post("/form", FORM, None), 415, "not_multipart", "no Content-Type"),
    Fault("not form-data", post("/form", FORM, "multipart/mixed; boundary=b"), 415, "not_multipart", "mixed"),
    Fault("JSON", json_of(b"{}", "/form"), 415, "not_multipart", "application/json"),
    Fault("a form for a bare file", post("/files/a", FORM), 415, "body_unsupported", "multipart/form-data"),
    Fault("a bare file for JSON", bare("/json"), 415, "body_unsupported", "'text/plain'"),
    Fault("boundary missing", bounded(""), 400, "boundary_missing", "boundary=..."),
    Fault("boundary empty", bounded("; boundary="), 400, "boundary_missing", "empty"),
    Fault("boundary empty in quotes", bounded('; boundary=""'), 400, "boundary_missing", "empty"),
    Fault("boundary illegal", bounded('; boundary="a<b>"'), 400, "boundary_invalid", "'a<b>'"),
    Fault("boundary with a blank at its end", bounded('; boundary="ab "'), 400, "boundary_invalid", "'ab '"),
    Fault("boundary too long", bounded("; boundary=" + "x" * 71), 400, "boundary_too_long", "found 71"),
    Fault("boundary twice", bounded("; boundary=a; boundary=a"), 400, "boundary_repeated", "found 2"),
    Fault("length missing", post("/form", FORM, length="none"), 411, "length_required", "no Content-Length"),
    Fault("gzip", post("/form", FORM, TYPE, "Content-Encoding: gzip"), 415, "encoding_unsupported", "'gzip'"),
    Fault("too large, as declared", post("/form", length=2**24 + 1), 413, "upload_too_large", "16777217"),
    Fault("too large for the route, as declared", post("/small", length=100_001), 413, "upload_too_large", "100001"),
    Fault(
        "JSON too large, as declared",
        post("/json", b"", "application/json", length=60_001),
        413,
        "json_too_large",
        "60001",
    ),
    Fault("bare type", bare("/picky/file", b"GIF89a", "image/gif"), 415, "type_unsupported", "image/gif"),
    Fault("bare name with CR LF", bare("/files/a%0d%0ab"), 400, "filename_invalid", r"'a\r\nb'"),
    Fault("bare name with NUL", bare("/files/a%00b"), 400, "filename_invalid", r"'a\x00b'"),
    # where it goes
    Fault("unknown route", post("/froms", FORM), 404, "route_unknown", "/froms"),
    Fault("unknown route of the gateway's own", post("/-/form", FORM), 404, "route_unknown", "/-/form"),
    Fault("unknown preview", post("/-/preview/from", FORM), 404, "route_unknown", "'from'"),
    Fault("preview for others", post("/-/preview/form", FORM, host="evil.test"), 403, "local_only", "evil.test"),
    Fault("wrong method", post("/form", FORM, method="PATCH"), 405, "method_not_allowed", "PATCH"),
    Fault("a method that has no body", post("/form", b"", None, method="GET", length="none"), 405, "method_not_allowed",
          "GET", stays=True),
    Fault("path that leaves", post("/dav/x/%2e%2e/%2E%2e/y", FORM), 400, "path_invalid", "x/%2e%2e/%2E%2e/y"),
    Fault("path with NUL", post("/dav/x%00.pdf", FORM), 400, "path_invalid", "x%00.pdf"),
    # what is no request
    Fault("type twice", post("/form", FORM, TYPE, TWICE), 400, "request_invalid", "one Content-Type"),
    Fault("length twice", post("/form", FORM, TYPE, "Content-Length: 3"), 400, "request_invalid", "one Content-Length"),
    Fault("length that is no number", Sent(b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n"), 400,
          "request_invalid", "a number"),
    Fault("no colon in the header", post("/form", FORM, TYPE, "nonsense"), 400, "request_invalid", "'nonsense'"),
    Fault("folded header", post("/form", FORM, TYPE, "X-A: b\r\n c"), 400, "request_invalid", "'X-A'"),
    Fault("header too large", post("/form", FORM, TYPE, "X-A: " + "a" * 9000), 431, "header_too_large", "8190 bytes"),
    Fault("path too long", post("/" + "a" * 5000, FORM), 414, "target_too_long", "4094 bytes"),
    Fault("a coding that is unknown", post("/form", FORM, TYPE, "Transfer-Encoding: br", length="none"), 400,
          "request_invalid", "'br'"),
    Fault("a coding that is not undone", post("/form", FORM, TYPE, "Transfer-Encoding: gzip, chunked", length="none"),
          400, "request_invalid", "'gzip, chunked'"),
    Fault("https to http", Sent(b"\x16\x03\x01\x02\x00\x01\r\n\r\n"), 400, "request_invalid", "TLS"),
]  # fmt: skip
HEADS = [replace(fault, needs_body=False) for fault in AT_ONCE]


# --- forms ---------------------------------------------------------------------------------------------


NEAR = DELIMITER + b"x"
IN_CHUNKS = post("/form", FORM, chunk_size=50)

FORMS = [
    # as a whole
    Fault("boundary not in the body", post("/form", HERE + FORM, "multipart/form-data; boundary=other"), 400,
          "boundary_not_found", "`--other`"),
    Fault("no body", post("/form", HERE), 400, "boundary_not_found", "empty", stays=True),
    Fault("line feeds alone", post("/form", HERE + FORM.replace(b"\r\n", b"\n")), 400, "boundary_not_found", "CR LF"),
    Fault("ends in a part", behind_a_file(PDF, end=HERE), 400, "closing_delimiter_missing", "in part 1", stays=True),
    Fault("ends in the headers of a part", behind_a_file(FIELD, end=HERE), 400, "part_headers_unterminated", "part 1",
          stays=True),
    Fault("no closing delimiter", behind_a_file(PDF, end=DELIMITER + b"\r\n" + HERE), 400,
          "part_headers_unterminated", "part 2", stays=True),
    Fault("half a closing delimiter", behind_a_file(PDF, end=DELIMITER + b"-" + HERE), 400,
          "closing_delimiter_missing", "in part 1", stays=True),
    Fault("too much behind it", behind_a_file(end=END + HERE + bytes(2**16 + 1)), 413, "epilogue_too_large", "65536"),
    Fault("too many parts", behind_a_file(*[FIELD + b"\r\n\r\n"] * 4, HERE + PDF), 413, "too_many_parts", "at most 5"),
    Fault("near delimiters", behind_a_file(FILE + b"\r\n\r\n" + NEAR * 10_000 + b"\r\n" + HERE + NEAR[2:]), 413,
          "near_delimiters", "10000"),
    # the headers of a part
    Fault("no headers", behind_a_file(HERE + b"\r\ncontent"), 400, "disposition_missing", "Part 1"),
    Fault("no disposition", behind_a_file(HERE + b"X-A: b\r\n\r\n"), 400, "disposition_missing", "Part 1"),
    Fault("not form-data", behind_a_file(HERE + FIELD.replace(b"form-data", b"inline") + b"\r\n\r\n"), 400,
          "disposition_invalid", "inline"),
    Fault("two names", behind_a_file(HERE + FIELD + b'; name="b"\r\n\r\n'), 400, "disposition_invalid", "two names"),
    Fault("no name", behind_a_file(HERE + FILE.replace(b'name="file"; ', b"") + b"\r\n\r\n"), 400,
          "part_name_missing", "a.pdf"),
    Fault("no colon", behind_a_file(FIELD + b"\r\n" + HERE + b"nonsense\r\n\r\n"), 400, "part_header_invalid",
          "no colon"),
    Fault("no header name", behind_a_file(FIELD + b"\r\n" + HERE + b"X A: b\r\n\r\n"), 400, "part_header_invalid",
          "'X A: b'"),
    Fault("folded", behind_a_file(FIELD + b"\r\n" + HERE + b' ; filename="a"\r\n\r\n'), 400, "part_header_invalid",
          "folded"),
    Fault("filename with CR LF", behind_a_file(FIELD + b'; filename="a\r\n' + HERE + b'b.pdf"\r\n\r\n'), 400,
          "part_header_invalid", "b.pdf"),
    Fault("filename with LF", behind_a_file(HERE + FIELD + b'; filename="a\nb"\r\n\r\n'), 400, "part_header_invalid",
          r"a\nb"),
    Fault("filename with NUL", behind_a_file(HERE + FIELD + b'; filename="a\0b"\r\n\r\n'), 400, "part_header_invalid",
          r"a\x00b"),
    Fault("headers too large", behind_a_file(HERE + FIELD + b"\r\nX-A: " + b"a" * 256 + b"\r\n\r\n"), 413,
          "part_headers_too_large", "256"),
    # sizes and lengths
    Fault("field too large", behind_a_file(FIELD + b"\r\n\r\n" + HERE + bytes(1001)), 413, "field_too_large", "'a'"),
    Fault("too large, as it turns out", post("/small", form_of(PDF + bytes(100_000)), chunk_size=2**14), 413,
          "upload_too_large", "100000"),
    Fault("bare and too large, as it turns out", post("/small", bytes(100_001), "text/plain", chunk_size=2**14), 413,
          "upload_too_large", "100000"),
    Fault("length too short", post("/form", form_of(PDF, end=HERE + END[:-2]), length=len(FORM) - len(END)), 400,
          "closing_delimiter_missing", "in part 0", then="half-closes"),
    Fault("length too long", post("/form", FORM, length=len(FORM) + 1), 400, "client_gone", f"of {len(FORM) + 1} bytes",
          then="half-closes"),
    Fault("broken off", cut(behind_a_file(PDF), 70_200), 400, "client_gone", "after 70200 of", then="half-closes"),
    Fault("broken off in chunks", cut(IN_CHUNKS, 80), 400, "client_gone", "", then="half-closes"),
    Fault("client vanishes", cut(behind_a_file(PDF), 70_200), 400, "client_gone", "", then="vanishes"),
    Fault("client resets", cut(behind_a_file(PDF), 70_200), 400, "client_gone", "", then="resets"),
    Fault("a chunk size that is no number", Sent(IN_CHUNKS.head, b"zz\r\nhello\r\n0\r\n\r\n"), 400, "framing_invalid",
          "'zz'"),
    Fault("a chunk that is too long", Sent(IN_CHUNKS.head, b"4\r\nhello\r\n0\r\n\r\n"), 400, "framing_invalid",
          "terminator"),
    # what the route asks for
    Fault("required part missing", post("/picky", form_of(FIELD + b"\r\n\r\n", PDF.replace(b'"file"', b'"documnet"'))),
          422, "part_missing", "'document'; found the parts: 'a', 'documnet'. Is 'documnet' meant", stays=True),
    Fault("required file not chosen", post("/picky", form_of(UNCHOSEN)), 422, "part_missing", "none was chosen",
          stays=True),
    Fault("declared type", post("/picky", form_of(FILE.replace(b"application/pdf", b"image/gif") + b"\r\n\r\n")), 415,
          "type_unsupported", "image/gif"),
    Fault("type of the content", post("/picky", form_of(FILE + b"\r\n\r\n\x89PNG\r\n\x1a\n")), 415,
          "type_unsupported", "looks like image/png"),
    # what the service asks for
    Fault("two files for one", post("/bare", form_of(PDF, PDF)), 422, "file_expected", "found 2", stays=True),
    Fault("no file for one", post("/bare", form_of(FIELD + b"\r\n\r\n")), 422, "file_expected", "found 0", stays=True),
    Fault("no file for each", post("/each", form_of(FIELD + b"\r\n\r\n")), 422, "file_expected", "none", stays=True),
    Fault("name not UTF-8", post("/renamed", form_of(HERE + PDF.replace(b"file", b"fil\xe9", 1))), 422,
          "name_not_utf8", r"'fil\xe9'", stays=True),
    Fault("field not UTF-8", post("/as-json", form_of(PDF, FIELD + b"\r\n\r\ncaf" + HERE + b"\xe9")), 422,
          "field_not_utf8", "0xe9", stays=True),
]  # fmt: skip


# --- JSON ----------------------------------------------------------------------------------------------


JSON = [
    Fault("not JSON", json_of(HERE + b"%PDF-1.7"), 400, "json_invalid", "'%'"),
    Fault("no object", json_of(HERE + b"[1]"), 400, "json_invalid", "'['"),
    Fault("no JSON at all", json_of(HERE), 400, "json_invalid", "before any object", stays=True),
    Fault("truncated JSON", json_of(b'{"a": "b"' + HERE), 400, "json_invalid", "after 9 bytes", stays=True),
    Fault("broken off JSON", cut(json_of(b'{"a": "b"}'), 9), 400, "client_gone", "9 of 10", then="half-closes"),
    Fault("something behind it", json_of(b'{"a": "b"}' + HERE + b"x"), 400, "json_invalid", "'x'"),
    Fault("duplicate name", json_of(b'{"a": 1, ' + HERE + b'"a": 2}'), 400, "json_invalid", "'a'"),
    Fault("not UTF-8", json_of(b'{"a": "caf' + HERE + b'\xe9"}'), 400, "json_invalid", "0xe9"),
    Fault("bad base64", json_of(b'{"a": {"base64": "JVBE' + HERE + b'!A=="}}'), 400, "base64_invalid", "'!'"),
    Fault("base64 without its end", json_of(b'{"a": {"base64": "JVBER' + HERE + b'"}}'), 400, "base64_invalid", "5"),
    Fault("data URI", json_of(b'{"a": "data:text/plain,x' + HERE + b'#y"}'), 400, "data_uri_invalid", "#"),
    Fault("JSON filename", json_of(b'{"a": ' + HERE + b'{"base64": "", "filename": "x\\r\\ny"}}'), 400,
          "filename_invalid", r"'x\r\ny'"),
    Fault("nested", json_of(b'{"a": ' + b"[" * 64 + HERE + b"[" + b"]" * 65 + b"}"), 413, "json_too_complex", "64"),
    Fault("JSON field", json_of(b'{"a": ' + HERE + b'"' + b"x" * 1001 + b'"}'), 413, "field_too_large", "1000"),
    Fault("JSON too large", post("/json", b'{"a": ' + b" " * 60_000 + b"1}", "application/json", chunk_size=2**14), 413,
          "json_too_large", "60000"),
    Fault("JSON part missing", json_of(b'{"documnet": "x"}', "/picky/json"), 422, "part_missing", "'documnet' meant",
          stays=True),
    Fault("JSON type", json_of(b'{"document": "data:image/gif;base64,R0lGODlh"}', "/picky/json"), 415,
          "type_unsupported", "image/gif", stays=True),
]  # fmt: skip

BODIES = [*FORMS, *JSON]


# --- a gateway that has no room, and no patience ----------------------------------------------------------


@contextmanager
def another_upload(gateway: RunningGateway, keeper: Keeper) -> Iterator[None]:
    """One is under way, as many as there may be: its service has it, and has not answered."""
    sent = post("/held", FORM)
    keeper.may_answer.clear()
    with opened(gateway) as client:
        client.send(sent.head + sent.body)
        keeper.wait_for(1)
        keeper.forget()
        yield
        keeper.may_answer.set()
        assert client.read_response().status == 200


@contextmanager
def no_directory(gateway: RunningGateway, _: Keeper) -> Iterator[None]:
    """Somebody has cleaned up too much."""
    directory = gateway.directory / "var" / "spool"
    elsewhere = directory.rename(directory.with_name("elsewhere"))
    yield
    elsewhere.rename(directory)


LARGE = post("/whole", form_of(PDF + bytes(3 * 2**20)))

NARROW = [
    Fault("saturated", post("/form", FORM), 503, "saturated", "this worker: 1", needs_body=False, gateway="narrow",
          meanwhile=another_upload),
    Fault("spool full", LARGE, 507, "spool_full", "of 1048576 bytes", gateway="narrow"),
    Fault("spool gone", LARGE, 500, "spool_unusable", "var/spool", gateway="narrow", meanwhile=no_directory),
    Fault("slow client", cut(behind_a_file(PDF), 70_200), 408, "client_stalled", "0.3 s", gateway="narrow"),
    Fault("slow client in chunks", cut(IN_CHUNKS, 80), 408, "client_stalled", "0.3 s", gateway="narrow"),
    Fault("slow client of JSON", cut(json_of(b'{"a": "b"}'), 9), 408, "client_stalled", "0.3 s", gateway="narrow"),
]  # fmt: skip
