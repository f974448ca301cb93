"""The forms in which values are written: for each, what reads it, and what readers and editors are told of it.

A `Form` stands in the annotation of a key. pydantic asks it to read the value; document.py asks it where text
may come from a file; json_schema.py and reference.py ask it what may be written.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.settings import http_values, values
from gateway.settings.http_values import Content
from gateway.settings.values import Expected

__all__ = [
    "URLS",
    "Address",
    "Boolean",
    "Condition",
    "ContentType",
    "Count",
    "Duration",
    "DurationOrZero",
    "FieldContent",
    "Filename",
    "Form",
    "ForwardedHeaders",
    "HeaderName",
    "HeaderSize",
    "HeaderValue",
    "Listed",
    "MediaRange",
    "Name",
    "ParameterName",
    "PartName",
    "QueryNames",
    "QueryValue",
    "RoutePath",
    "Size",
    "Statuses",
    "Text",
    "Workers",
    "list_of",
]

Schema = Mapping[str, Any]
"""JSON Schema of what is written, where that is text or a number."""

VARIABLE = r"\$\{"
"""What text has in it that is not what it will be."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One form of values that are neither lists nor mappings of the schema."""

    name: str
    """Forms of one name look alike, and differ at most in which values are too small."""
    read: Callable[[object], Any]
    """Gives the value, or raises Expected."""
    schema: Schema
    kind: Literal["text", "scalar", "other"] = "text"
    """`text`: `{file: path}` may stand in its place. `scalar`: so it may, and numbers stay as they are written."""
    write: Callable[[Any], str] = str
    """The value as it would be written, for what a default is."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A list, or what may stand in its place."""

    example: str
    """As it would be written."""
    instead: Form | None = None
    """What may stand in the place of the list; None: nothing."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        lists = list_of(source)
        assert lists is not None  # this stands in the annotation of lists only
        read_list = handler(source) if lists is source else handler.generate_schema(lists)
        return core_schema.no_info_wrap_validator_function(self._read, read_list)

    def _read(self, value: object, read_list: Callable[[object], object]) -> object:
        if isinstance(value, list | tuple | set | frozenset):
            return read_list(value)
        if self.instead is None:
            raise Expected(f"expected a list such as {self.example}")
        return self.instead.read(value)


def list_of(annotation: object) -> object | None:
    """The type of the list among what an annotation allows; None if it allows none."""
    members = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    return next((member for member in members if get_origin(member) in {frozenset, tuple}), None)


def _text(pattern: str | None = None) -> Schema:
    """Text may always have variables, whatever it must look like without."""
    schema: dict[str, Any] = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = f"{pattern}|{VARIABLE}"
    return schema


def _one_url(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise Expected("expected a URL such as http://127.0.0.1:8811/extract, or a list of them")
    return (http_values.parse_url(value),)


def _none_or_all(value: object) -> str:
    if value not in ("none", "all"):
        raise Expected("expected none, all, or a list of names")
    return str(value)


SIZE = {"anyOf": [{"type": "number", "minimum": 0}, _text(r"^[0-9]+(\.[0-9]+)? ?([Bb]|[KkMmGgTt][Ii]?[Bb])?$")]}
DURATION = {"anyOf": [{"type": "number", "minimum": 0}, _text(r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h)?$")]}
COUNT = {"anyOf": [{"type": "integer", "minimum": 1}, _text("^[0-9]+$")]}
STATUS_TEXT = "^([2-5][Xx]{2}|[2-5][0-9]{2}( ?- ?[2-5][0-9]{2})?)$"
SCALAR = {"type": ["string", "number", "boolean"]}
JSON_FIELD = {"type": "object", "properties": {"json": {}}, "required": ["json"], "additionalProperties": False}

SIZE_FORM = Form("size", values.parse_size, SIZE, write=values.write_size)
HEADER_SIZE_FORM = Form("size", partial(values.parse_size, minimum=256), SIZE, write=values.write_size)
DURATION_FORM = Form("duration", values.parse_duration, DURATION, write=values.write_duration)
DURATION_OR_ZERO_FORM = Form(
    "duration", partial(values.parse_duration, minimum=0), DURATION, write=values.write_duration
)
WORKERS_FORM = Form("workers", values.parse_workers, {"anyOf": [{"const": "auto"}, *COUNT["anyOf"]]})
BOOLEAN_FORM = Form("boolean", values.parse_boolean, {"anyOf": [{"type": "boolean"}, _text("^(true|false)$")]})
URL_FORM = Form("url", http_values.parse_url, _text("^[Hh][Tt][Tt][Pp][Ss]?://"))
ONE_URL_FORM = Form("url", _one_url, URL_FORM.schema)
STATUSES_FORM = Form(
    "statuses",
    http_values.parse_statuses,
    {"anyOf": [{"type": "integer", "minimum": 200, "maximum": 599}, _text(STATUS_TEXT)]},
)
NONE_OR_ALL = {"anyOf": [{"enum": ["none", "all"]}, {"type": "string", "pattern": VARIABLE}]}
NONE_OR_ALL_FORM = Form("none_or_all", _none_or_all, NONE_OR_ALL, kind="other")
NAME_SCHEMA = {"anyOf": [{"type": ["number", "boolean"]}, _text("^[A-Za-z0-9_-]+$")]}
NAME_FORM = Form("name", values.parse_name, NAME_SCHEMA, kind="scalar")
FIELD_FORM = Form("field", http_values.parse_field, {"anyOf": [SCALAR, JSON_FIELD]}, kind="scalar")

Size = Annotated[int, SIZE_FORM]
HeaderSize = Annotated[int, HEADER_SIZE_FORM]
Duration = Annotated[float, DURATION_FORM]
DurationOrZero = Annotated[float, DURATION_OR_ZERO_FORM]
Count = Annotated[int, Form("count", values.parse_count, COUNT)]
Workers = Annotated[int | Literal["auto"], WORKERS_FORM]
Boolean = Annotated[bool, BOOLEAN_FORM]
Address = Annotated[str, Form("address", values.parse_address, _text(":[0-9]+$"))]
Text = Annotated[str, Form("text", values.parse_text, _text())]
Name = Annotated[str, NAME_FORM]
RoutePath = Annotated[str, Form("path", http_values.parse_route_path, _text("^/"))]
HeaderName = Annotated[str, Form("header_name", http_values.parse_header_name, _text())]
HeaderValue = Annotated[str, Form("header_value", http_values.parse_header_value, _text())]
ForwardedHeader = Annotated[str, Form("header_name", http_values.parse_forwarded_header, _text())]
QueryValue = Annotated[str, Form("scalar", http_values.parse_query_value, SCALAR, kind="scalar")]
PartName = Annotated[str, Form("part_name", http_values.parse_part_name, _text())]
ParameterName = Annotated[str, Form("parameter_name", http_values.parse_parameter_name, _text())]
MediaRange = Annotated[str, Form("media_range", http_values.parse_media_range, _text("^[^/]+/[^/]+$"))]
Statuses = Annotated[range, STATUSES_FORM]
Condition = Annotated[str, Form("condition", http_values.parse_condition, _text())]
Filename = Annotated[str, Form("filename", http_values.parse_filename, _text("^(keep|ascii|rfc5987)$|[{.]"))]
ContentType = Annotated[str, Form("content_type", http_values.parse_content_type, _text("^(keep|sniff)$|^[^/]+/[^/]+"))]
FieldContent = Annotated[Content, FIELD_FORM]

URLS = Annotated[
    tuple[Annotated[str, URL_FORM], ...],
    Field(min_length=1),
    Listed("[http://10.0.0.1:8811/extract, http://10.0.0.2:8811/extract]", ONE_URL_FORM),
]
ForwardedHeaders = Annotated[
    Literal["none", "all"] | frozenset[ForwardedHeader], Listed("[Authorization]", NONE_OR_ALL_FORM)
]
QueryNames = Annotated[Literal["none", "all"] | frozenset[ParameterName], Listed("[lang]", NONE_OR_ALL_FORM)]
