"""The schema as JSON Schema (draft 2020-12), for editors.

It lets everything pass that `gateway check` does, and finds what an editor can find: unknown keys, wrong words,
wrong kinds of values. What depends on other keys, on files or on the environment is for `gateway check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from gateway.settings.forms import Form, Listed, list_of
from gateway.settings.schema import Settings
from gateway.settings.sections import Section, given_type, plain_type, type_of

__all__ = ["json_schema"]

Schema = dict[str, Any]

FILE: Schema = {
    "description": "What this file contains, without one newline at its end. A secret: it is never shown.",
    "type": "object",
    "properties": {"file": {"type": ["string", "number", "boolean"]}},
    "required": ["file"],
    "additionalProperties": False,
}
VARIABLE: Schema = {
    "description": "Text with the value of an environment variable, ${NAME}. A secret: it is never shown.",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_]",
}


def json_schema() -> Schema:
    """The schema of a whole configuration file."""
    definitions: dict[str, Schema] = {"file": FILE, "variable": VARIABLE}
    section = _section(Settings, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the upload gateway",
        **section,
        "$defs": definitions,
    }


# `definitions` gathers the forms that are met on the way.


def _section(section: type[Section], definitions: dict[str, Schema]) -> Schema:
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    schema: Schema = {
        "description": _one_line(section.__doc__),
        "type": "object",
        "properties": {key: _key(field, definitions) for key, field in fields.items()},
        "additionalProperties": False,
    }
    required = [key for key, field in fields.items() if field.is_required()]
    return {**schema, "required": required} if required else schema


def _key(field: FieldInfo, definitions: dict[str, Schema]) -> Schema:
    schema = _value(type_of(field), definitions)
    if not field.is_required():
        schema = _or_nothing(schema)
    if field.description:
        schema = {"description": _one_line(field.description), **schema}
    default = _default(field)
    return schema if default is None else {**schema, "default": default}


def _value(annotation: object, definitions: dict[str, Schema]) -> Schema:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        for mark in marks:
            if isinstance(mark, Form):
                return _form(mark, definitions)
            if isinstance(mark, Listed):
                schema = _value(list_of(plain_type(inner)), definitions)
                return schema if mark.instead is None else {"anyOf": [_form(mark.instead, definitions), schema]}
        return _value(inner, definitions)
    if (given := given_type(annotation)) is not annotation:
        return _value(given, definitions)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return _section(annotation, definitions)
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return {"anyOf": [{"enum": list(arguments)}, {"$ref": "#/$defs/variable"}]}
    if get_origin(annotation) is Mapping:
        names, contents = (_value(argument, definitions) for argument in arguments)
        return {"type": "object", "propertyNames": names, "additionalProperties": contents}
    return {"type": "array", "items": _value(arguments[0], definitions)}


def _form(form: Form, definitions: dict[str, Schema]) -> Schema:
    """A reference to the form, which is defined once."""
    alternatives = form.schema.get("anyOf", [form.schema])
    file = [] if form.kind == "other" else [{"$ref": "#/$defs/file"}]
    definitions[form.name] = {"anyOf": [*alternatives, *file]}
    return {"$ref": f"#/$defs/{form.name}"}


def _or_nothing(schema: Schema) -> Schema:
    """A key without a value is the same as no key."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def _default(field: FieldInfo) -> object:
    """The default as it would be written; None if there is none, or nothing to write."""
    default = field.get_default(call_default_factory=True)
    if field.is_required() or isinstance(default, Section):
        return None
    if isinstance(default, frozenset | tuple):
        return sorted(default) or None
    form = next((mark for mark in field.metadata if isinstance(mark, Form)), None)
    return default or None if form is None or form.write is str else form.write(default)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
