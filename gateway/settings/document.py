"""YAML to plain data, remembering where each value stands and what is written there.

Variables and files are put in here, value by value: never in comments or keys, and what they contain is
never read as YAML. What is written in the configuration may be shown in a message, what was put in for it
may not; so each place keeps the former.

The schema decides on two things only. `{file: path}` stands for the file's content where text is expected
(elsewhere `file` is a name like any other), and a key of the schema without a value is the same as no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.settings.sections import Key, form_of, keys_of, type_below
from gateway.settings.values import Expected, Secret

__all__ = ["Document", "Mistake", "Place", "quote", "read_document"]

LONGEST_QUOTE = 60
LARGEST_SECRET = 64 * 2**10

# `$${` is a literal `${`; a `${` that does not match as a whole is a mistake.
VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands, and how it is written there."""

    line: int | None
    """Line of its key, from 1; None for the value of a flag."""
    found: str
    """What is written there, short enough for a message."""
    flag: str | None = None
    """The flag, if the value comes from the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something that is wrong with the document, whatever its values mean."""

    key: Key
    line: int
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a configuration file says, before anyone asks whether it makes sense."""

    data: object
    places: Mapping[Key, Place]
    mistakes: tuple[Mistake, ...]
    spoiled: frozenset[Key]
    """Values that could not be read, and stand as None in the data: nothing else is to be said about them."""


def read_document(
    text: str, schema: object, *, environment: Mapping[str, str], read_file: Callable[[str], bytes]
) -> Document:
    """`read_file` gets the paths of `{file: path}`; it may raise OSError and ValueError."""
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # YAML 1.2 section 3.2.2.2 allows them: the last one counts
    reader = _Reader(yaml=yaml, environment=environment, read_file=read_file)
    data: object = None
    try:
        root = yaml.compose(text)
        data = {} if root is None or _kind(root) == "null" else reader.value(root, (), schema, 1)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        if "${" in "".join(text.splitlines()[line - 1 : line]):
            problem += " (within { } and [ ], text with ${...} needs quotes)"
        reader.spoil((), line, Expected(f"this is not valid YAML: {problem}", quotable=False))
    except YAMLError as error:
        # A character that YAML does not allow: ruamel gives its position, not its line.
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        reader.spoil(
            (), line, Expected(f"this is not valid YAML: {getattr(error, 'reason', 'unreadable')}", quotable=False)
        )
    except RecursionError:
        reader.spoil((), 1, Expected("expected fewer brackets within brackets", quotable=False))
    return Document(data=data, places=reader.places, mistakes=tuple(reader.mistakes), spoiled=frozenset(reader.spoiled))


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Walks over the nodes of one document; collects what is wrong instead of stopping at it."""

    yaml: YAML
    environment: Mapping[str, str]
    read_file: Callable[[str], bytes]
    places: dict[Key, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    spoiled: set[Key] = field(default_factory=set)
    open_nodes: set[int] = field(default_factory=set)
    """Ids of the nodes that are being walked into: an alias to one of them has no end."""

    def value(self, node: Node, key: Key, schema: object, line: int) -> object:
        """The node as data; None, with a mistake noted, if it cannot be read."""
        if id(node) in self.open_nodes:
            self.spoil(key, line, Expected("expected a value that does not contain itself", quotable=False))
            return None
        self.open_nodes.add(id(node))
        try:
            form = form_of(schema)
            reference = _file_named_by(node) if form is not None and form.kind != "other" else None
            self.places[key] = Place(line=line, found=_found(node, reference))
            if reference is not None:
                return self.content(reference)
            if isinstance(node, MappingNode):
                return dict(self.items(node, key, schema))
            if isinstance(node, SequenceNode):
                return [
                    self.value(item, (*key, index), type_below(schema, index), item.start_mark.line + 1)
                    for index, item in enumerate(node.value)
                ]
            return self.scalar(node, as_written=form is not None and form.kind == "scalar")
        except Expected as expected:
            self.spoil(key, line, expected)
            return None
        finally:
            self.open_nodes.discard(id(node))

    def items(self, node: MappingNode, above: Key, schema: object) -> Iterator[tuple[str, object]]:
        lines: dict[str, int] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, ScalarNode):
                reason = "expected a key that is text, found a list or a mapping"
                self.mistakes.append(Mistake(key=above, line=line, expected=Expected(reason, quotable=False)))
                continue
            # As written, whatever YAML takes it for: a service may be called 1 or true.
            name = str(name_node.value)
            key = (*above, name)
            if name in lines:
                reason = f"expected each key once; it is in line {lines[name]} too"
                self.mistakes.append(Mistake(key=key, line=line, expected=Expected(reason, quotable=False)))
                continue
            lines[name] = line
            if _kind(name_node) == "merge":
                # What the whole mapping would say is not known then.
                reason = "expected YAML 1.2, which has no merge keys (<<); write the keys out, or use an alias"
                self.mistakes.append(Mistake(key=key, line=line, expected=Expected(reason, quotable=False)))
                self.spoiled.add(above)
            elif _kind(value_node) != "null" or name not in (keys_of(schema) or {}):
                yield name, self.value(value_node, key, type_below(schema, name), line)

    def scalar(self, node: Node, *, as_written: bool) -> object:
        kind = _kind(node)
        if kind in {"str", "timestamp"}:
            # YAML 1.2 knows no timestamps: what looks like one is text.
            return self.text(node.value)
        if kind not in {"int", "float", "bool", "null"}:
            raise Expected(f"expected a plain value, found the tag {node.tag}", quotable=False)
        if as_written and kind != "null":
            # Read and written again, 1.50 would be 1.5.
            return str(node.value)
        try:
            return self.yaml.constructor.construct_object(node)
        except (LookupError, ValueError, YAMLError):
            # An explicit tag that the text does not bear out: ruamel stumbles over it in several ways.
            raise Expected(f"expected a value that fits its tag !!{kind}") from None

    def text(self, written: str) -> str:
        """With variables put in; a `Secret` if there are any."""
        pieces: list[str] = []
        position = 0
        is_secret = False
        for match in VARIABLE.finditer(written):
            name = match[1]
            if match[0] == "${":
                # Not quoted: it may be a password that happens to have these characters.
                raise Expected("expected ${NAME}, or $${ for a literal ${", quotable=False)
            if name is not None and name not in self.environment:
                raise Expected(f"expected the environment variable {name} to be set", quotable=False)
            pieces += [written[position : match.start()], "${" if name is None else self.environment[name]]
            position = match.end()
            is_secret = is_secret or name is not None
        text = "".join([*pieces, written[position:]])
        return Secret(text, source=written) if is_secret else text

    def content(self, reference: ScalarNode) -> str:
        """What the file contains, without the newline that editors put at its end."""
        try:
            content = self.read_file(self.text(reference.value))
            text = content.decode()
        except Expected:
            raise
        except UnicodeDecodeError:
            raise Expected("expected a file of UTF-8 text") from None
        except OSError as error:
            raise Expected(f"expected a file that can be read ({error.strerror})") from None
        except ValueError:
            raise Expected("expected the path of a file") from None
        if len(content) > LARGEST_SECRET:
            raise Expected(f"expected a file of at most {LARGEST_SECRET} bytes")
        return Secret(text.removesuffix("\n").removesuffix("\r"), source=f"{{file: {reference.value}}}")

    def spoil(self, key: Key, line: int, expected: Expected) -> None:
        self.mistakes.append(Mistake(key=key, line=line, expected=expected))
        self.spoiled.add(key)


def _kind(node: Node) -> str:
    return str(node.tag).removeprefix("tag:yaml.org,2002:")


def _file_named_by(node: Node) -> ScalarNode | None:
    """The path in `{file: path}`; None if the node is something else."""
    if not isinstance(node, MappingNode) or len(node.value) != 1:
        return None
    name, path = node.value[0]
    is_reference = isinstance(name, ScalarNode) and name.value == "file" and isinstance(path, ScalarNode)
    return path if is_reference else None


def _found(node: Node, reference: ScalarNode | None) -> str:
    """The value as it is written, for messages."""
    if reference is not None:
        return f"{{file: {reference.value}}}"
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    if _kind(node) == "null":
        return "nothing"
    return quote(node.value) if _kind(node) in {"str", "timestamp"} else str(node.value)


def quote(text: str) -> str:
    """On one line, short, and without a password that stands in a URL."""
    text = re.sub(r"//.*@", "//...@", text, flags=re.DOTALL)
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}...")
