"""What written values mean that HTTP knows: URLs, paths, headers, statuses, media types, names of files.

The same rules as in values.py: the value, or `Expected`, which never holds what came.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gateway.core.headers import end_to_end
from gateway.multipart.shaping import check_filename_template
from gateway.settings.values import HOST, Expected, Secret, SecretBytes, has_controls, lowered, parse_scalar

__all__ = [
    "PLACEHOLDERS",
    "Content",
    "parse_condition",
    "parse_content_type",
    "parse_field",
    "parse_filename",
    "parse_forwarded_header",
    "parse_header_name",
    "parse_header_value",
    "parse_media_range",
    "parse_parameter_name",
    "parse_part_name",
    "parse_query_value",
    "parse_route_path",
    "parse_statuses",
    "parse_url",
]

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986 section 2
MEDIA_TYPE = re.compile(rf"{TOKEN.pattern}/{TOKEN.pattern}")  # RFC 9110 section 8.3.1
PARAMETERS = re.compile(rf'(?:[ \t]*;[ \t]*{TOKEN.pattern}=(?:{TOKEN.pattern}|"[\x20-\x7e]*"))*')
STATUSES = re.compile(r"([2-5])[xX]{2}|([0-9]{3})(?: ?- ?([0-9]{3}))?")

PLACEHOLDERS = ("<filename>", "<rest>")
"""What a route's path may end with: one segment, which is not empty; or whatever remains."""

MADE_BY_THE_BODY = {
    "content-type": "the body that is sent makes its own boundary and names it",
    "content-length": "the body that is sent knows its own length",
    "transfer-encoding": "`body` of the service decides on the framing",
    "host": "it comes from `url`",
}
"""Headers that no service may set, in lower case, and the reason."""

NEVER_FORWARDED = {
    "accept-encoding": "the gateway decides on it, as it must be able to read the answer",
    "content-disposition": "the body that is sent names its file",
    "content-encoding": "the body that is sent is not encoded",
    "expect": "it is about the connection to the client",
    "forwarded": "the gateway adds to it and sends it in any case",
    "x-forwarded-for": "the gateway adds to it and sends it in any case",
    "x-forwarded-host": "the gateway sends its own",
    "x-forwarded-proto": "the gateway sends its own",
    "x-request-id": "the gateway sends it in any case",
}
"""Headers of the client's that cannot be asked for (core/targets.py sees to them), and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a field that the configuration adds holds."""

    content: bytes
    content_type: str | None = None


def parse_url(value: object) -> str:
    """An http or https URL that can be posted to as it stands."""
    if not isinstance(value, str) or not (split := _split_url(value)):
        raise Expected("expected a URL with http:// or https:// and a host, such as http://127.0.0.1:8811/extract")
    # The user before the fragment: a password may hold a #, and the message must not quote it.
    if "@" in split.netloc:
        raise Expected(
            "expected a URL without user and password; put them in `headers`, as Authorization", quotable=False
        )
    if not URL_CHARACTERS.fullmatch(value):
        raise Expected("expected a URL without blanks and non-ASCII characters; write them percent-encoded")
    if "#" in value:
        raise Expected("expected a URL without a fragment (#...), which is never sent")
    host = split.hostname or ""
    if ":" not in host and any(not 1 <= len(label) <= 63 for label in host.removesuffix(".").split(".")):
        # RFC 1035 section 2.3.4; the libraries below have no error for it that one could tell from a bug.
        raise Expected("expected a URL whose host has 1 to 63 characters between its dots")
    return value


def parse_route_path(value: object) -> str:
    """The path of a route, which may end with a placeholder."""
    if not isinstance(value, str) or not value.startswith("/") or has_controls(value):
        raise Expected("expected a path that begins with /, such as /file")
    if value == "/-" or value.startswith("/-/"):
        raise Expected("expected a path that is not under /-/, which the gateway keeps for itself")
    if set(value) & set("?#"):
        raise Expected("expected a path alone, without ? and #")
    fixed, _, last = value.rpartition("/")
    if set(fixed if last in PLACEHOLDERS else value) & set("<>"):
        raise Expected(
            "expected no placeholder but <filename> or <rest>, as the whole last segment, such as /files/<filename>"
        )
    if re.search("%[0-9A-Fa-f]{2}", value):
        raise Expected("expected a path without percent-encoding: it is compared with the decoded one")
    if {".", ".."} & set(value.split("/")):
        raise Expected("expected a path without . and .. segments: clients remove them, it would never match")
    return value


def parse_header_name(value: object) -> str:
    """The name of a header that a service gets."""
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise Expected("expected the name of a header, such as Authorization")
    if reason := MADE_BY_THE_BODY.get(value.lower()):
        raise Expected(f"expected no {value} among the headers: {reason}", quotable=False)
    return value


def parse_forwarded_header(value: object) -> str:
    """The name of a header of the client's that goes on to the service."""
    name = parse_header_name(value)
    reason = NEVER_FORWARDED.get(name.lower())
    if not end_to_end([(name, "")]):
        reason = "it is about the connection to the client (RFC 9110 section 7.6.1)"
    if reason:
        raise Expected(f"expected no {name} among the headers: {reason}", quotable=False)
    return name


def parse_header_value(value: object) -> str:
    # Never quoted, and a secret in any case: what stands here is often a credential, also when written out.
    if not isinstance(value, str):
        raise Expected("expected the header's value as text (numbers and dates in quotes)", quotable=False)
    if has_controls(value):
        raise Expected("expected a header's value without line breaks and control characters", quotable=False)
    if value != value.strip():
        raise Expected(
            "expected a header's value without blanks at its ends (is a variable in it empty?)", quotable=False
        )
    if any(ord(character) > 255 for character in value):
        raise Expected("expected a header's value of Latin-1 characters; others cannot be sent", quotable=False)
    return value if isinstance(value, Secret) else Secret(value)


def parse_query_value(value: object) -> str:
    """A secret in any case, like a header's value: keys of services stand here, too."""
    text = parse_scalar(value)
    return text if isinstance(text, Secret) else Secret(text)


def parse_statuses(value: object) -> range:
    """A status, a range of them with both ends, or a class."""
    match = STATUSES.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if match is None:
        raise Expected("expected a status such as 404, a range such as 200-299, or a class such as 2xx")
    if match[1]:
        first, last = int(match[1]) * 100, int(match[1]) * 100 + 99
    else:
        first, last = int(match[2]), int(match[3] or match[2])
    if not 200 <= first <= last <= 599:
        raise Expected("expected statuses from 200 to 599, the smaller one first")
    return range(first, last + 1)


def parse_condition(value: object) -> str:
    """A JMESPath expression."""
    if not isinstance(value, str):
        raise Expected('expected a JMESPath expression as text, such as "error == null"')
    import jmespath  # not for those who have no such condition
    from jmespath.functions import Functions

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PendingDeprecationWarning)
            parsed = jmespath.compile(value).parsed
    except PendingDeprecationWarning:
        raise Expected("expected JSON between backticks (text is in single quotes: 'text')") from None
    except (ValueError, RecursionError) as error:
        # Its own errors are ValueErrors, as are those of the JSON in a literal. Their texts repeat the expression.
        column = getattr(error, "lex_position", getattr(error, "lexer_position", None))
        place = "" if column is None or isinstance(value, Secret) else f" (there is a mistake at column {column + 1})"
        raise Expected(f"expected a JMESPath expression{place}") from None
    unknown = sorted(set(_functions(parsed)) - set(Functions.FUNCTION_TABLE))
    if unknown:
        named = "" if isinstance(value, Secret) else f"; {unknown[0]} is none"
        raise Expected(f"expected functions that JMESPath has{named}")
    return value


def parse_part_name(value: object) -> str:
    """The name of a field or file of a form."""
    return _parse_name(value, "part")


def parse_parameter_name(value: object) -> str:
    """The name of a parameter in a query."""
    return _parse_name(value, "parameter")


def parse_media_range(value: object) -> str:
    """A media type, or all of a kind; in lower case."""
    if not isinstance(value, str) or not MEDIA_TYPE.fullmatch(value) or value.startswith("*"):
        raise Expected("expected a media type such as application/pdf, or image/* for all of a kind")
    if "*" in value.removesuffix("/*"):
        raise Expected("expected a * only for the whole subtype, such as image/*")
    return lowered(value)


def parse_content_type(value: object) -> str:
    """What `content_type` may be; a fixed type may have parameters."""
    if value in ("keep", "sniff"):
        return str(value)
    match = MEDIA_TYPE.match(value) if isinstance(value, str) else None
    if match is None or "*" in match[0] or not PARAMETERS.fullmatch(match.string, match.end()):
        raise Expected("expected keep, sniff, or a media type such as application/pdf")
    return match.string


def parse_filename(value: object) -> str:
    """What `filename` may be."""
    if value in ("keep", "ascii", "rfc5987"):
        return str(value)
    expected = 'expected keep, ascii, rfc5987, or a template in quotes, such as "{stem}-{n}{suffix}"'
    if not isinstance(value, str) or has_controls(value):
        raise Expected(expected)
    try:
        check_filename_template(value)
    except ValueError as error:
        # The reason quotes a placeholder.
        reason = "" if isinstance(value, Secret) or str(error).startswith("expected") else f" ({error})"
        raise Expected(f"{expected}{reason}") from None
    return value


def parse_field(value: object) -> Content:
    """The content of a field that is added: text, or anything as JSON."""
    if isinstance(value, dict) and set(value) == {"json"}:
        try:
            written = json.dumps(value["json"], ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError):
            raise Expected("expected a value that JSON can hold, so no .inf and no .nan") from None
        content = SecretBytes(written) if _holds_secret(value["json"]) else written
        return Content(content=content, content_type="application/json")
    if not isinstance(value, str | int | float):
        raise Expected("expected text, a number, true, false, or {json: ...} with anything in it")
    text = parse_scalar(value)
    return Content(content=SecretBytes(text.encode()) if isinstance(text, Secret) else text.encode())


def _parse_name(value: object, kind: str) -> str:
    if not isinstance(value, str) or not value or has_controls(value):
        raise Expected(f"expected the name of a {kind}: text without control characters, and not empty")
    return parse_scalar(value)


def _holds_secret(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_secret, value.values()))
    return any(map(_holds_secret, value)) if isinstance(value, list) else isinstance(value, Secret)


def _functions(node: Any) -> Iterator[str]:
    """The names of the functions that a parsed JMESPath expression calls."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _functions(child)


def _split_url(text: str) -> SplitResult | None:
    """None if it is not http or https, or if host or port make no sense."""
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        # A user part with a / or # in the password ends up here too: its "port" is the password.
        return None
    if split.scheme not in ("http", "https") or not split.hostname or not HOST.fullmatch(split.hostname):
        return None
    return split if port != 0 else None
