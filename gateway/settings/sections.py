"""What a mapping of the file is, and questions about the shape of a schema: which keys, and what stands below.

The shape is asked for by those who read a document before it is validated, and by those who describe it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from gateway.settings.forms import Form, list_of

__all__ = ["Key", "Section", "every_key", "form_of", "given_type", "keys_of", "plain_type", "type_below", "type_of"]

Key = tuple[str | int, ...]
"""The way from the top of the document to a value: names of keys, and positions in lists."""


class Section(BaseModel):
    """A mapping of the file: frozen, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


def keys_of(annotation: object) -> Mapping[str, object] | None:
    """The keys that a mapping of this type may have, each with the type below; None if it is no section."""
    annotation = plain_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {field.alias or name: type_of(field) for name, field in annotation.model_fields.items()}
    return None


def type_of(field: FieldInfo) -> object:
    """The annotation of a key, with the forms in it."""
    annotation: object = field.annotation
    for mark in field.metadata:
        annotation = Annotated[annotation, mark]
    return annotation


def type_below(annotation: object, key: str | int) -> object | None:
    """The type of the value under this key; None if there is no such key, or anything may stand there."""
    annotation = plain_type(annotation)
    if (keys := keys_of(annotation)) is not None:
        return keys.get(str(key))
    if get_origin(annotation) is Mapping:
        item: object = get_args(annotation)[1]
        return item
    lists = list_of(annotation)
    return get_args(lists)[0] if lists is not None and isinstance(key, int) else None


def form_of(annotation: object) -> Form | None:
    """The form in which a value is written; None for sections, lists, mappings, and words of a choice.

    Of a list in whose place one value may stand it is the form of that value.
    """
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        for mark in marks:
            form = mark if isinstance(mark, Form) else getattr(mark, "instead", None)
            if isinstance(form, Form):
                return form
        return form_of(inner)
    present = given_type(annotation)
    return form_of(present) if present is not annotation else None


def plain_type(annotation: object) -> object:
    """Without forms, and without None as the alternative."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    present = given_type(annotation)
    return plain_type(present) if present is not annotation else annotation


def every_key(annotation: object, above: str = "") -> Iterator[str]:
    """All keys with dots between, sections included; `<name>` stands for names that the user gives."""
    for key, below in (keys_of(annotation) or {}).items():
        path = f"{above}{key}"
        yield path
        if get_origin(plain_type(below)) is Mapping:
            yield from every_key(type_below(below, ""), f"{path}.<name>.")
        yield from every_key(below, f"{path}.")


def given_type(annotation: object) -> object:
    """The other one of two alternatives of which one is None; else the annotation itself."""
    if get_origin(annotation) in {Union, types.UnionType}:
        others = [argument for argument in get_args(annotation) if argument is not type(None)]
        if len(others) == 1:
            return others[0]
    return annotation
