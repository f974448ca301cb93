"""The reference of the configuration: a table for each section, made of the schema's docstrings and defaults.

docs/configuration.md holds it between two markers; `gateway schema --into docs/configuration.md` renews it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_origin

from pydantic.fields import FieldInfo

from gateway.settings.forms import Form
from gateway.settings.schema import Settings
from gateway.settings.sections import Section, plain_type, type_below, type_of

__all__ = ["BEGIN", "END", "reference", "with_reference"]

BEGIN = "<!-- reference: begin -->"
END = "<!-- reference: end -->"


def reference() -> str:
    """Markdown, from headings of the second level on."""
    return "\n\n".join(_sections(Settings, "", "##"))


def with_reference(page: str) -> str:
    """The page with the reference of today between its markers; raises ValueError if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and, below it, {END}")
    return f"{before}{begin}\n\n{reference()}\n\n{end}{after}"


def _sections(section: type[Section], above: str, level: str) -> Iterator[str]:
    """The table of a section, then those of the sections in it, each with its heading."""
    fields = {f"{above}{field.alias or name}": field for name, field in section.model_fields.items()}
    rows = [_row(key, field) for key, field in fields.items() if _below(field) is None]
    if rows:
        yield "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])
    for key, field in fields.items():
        below = _below(field)
        if below is not None:
            path = f"{key}.<name>" if _is_named(field) else key
            yield f"{level} {key if level == '##' else f'`{key}`'}"
            yield _one_line(field.description or below.__doc__)
            yield from _sections(below, f"{path}.", "###")


def _below(field: FieldInfo) -> type[Section] | None:
    """The section under a key, or under each name under it."""
    found = plain_type(type_below(type_of(field), "") if _is_named(field) else type_of(field))
    return found if isinstance(found, type) and issubclass(found, Section) else None


def _is_named(field: FieldInfo) -> bool:
    return get_origin(plain_type(type_of(field))) is Mapping


def _row(key: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _written(field)
    return f"| `{key}` | {default} | {_one_line(field.description).replace('|', chr(92) + '|')} |"


def _written(field: FieldInfo) -> str:
    """The default as it would be written; `none` without quotes is nothing at all."""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset | tuple):
        return f"`[{', '.join(sorted(value))}]`" if value else "none"
    form = next((mark for mark in field.metadata if isinstance(mark, Form)), None)
    return f"`{value if form is None else form.write(value)}`" if value not in (None, {}) else "none"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
