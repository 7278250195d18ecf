"""XML that is read element by element, as TMX and XLIFF are.

Nothing outside of the file is looked at, and no entity is replaced but the five of XML itself: a file that declares
entities, or names a definition elsewhere, is refused, but for the names that the formats themselves prescribe.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from weam_ray.corpus.readers.base import ENTITY
from weam_ray.errors import UserError
from weam_ray.store.opening import File, open_text

Element = Any  # of lxml, which has no public name for its class
PIECE_BYTES = 1 << 16
MOST_BYTES = 1 << 24  # between the ends of two units, which are held in memory
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# The definitions that the standards prescribe; they are not read either
STANDARD = re.compile(
    r"(https?://www\.(lisa\.org/tmx|ttt\.org/oscarstandards/tmx|gala-global\.org/oscarStandards/tmx)/)?"
    r"tmx1[1-4][ab]?\.dtd"
    r"|https?://www\.oasis-open\.org/committees/xliff/documents/xliff\.dtd|xliff(-core-1\.[0-2])?\.dtd",
    re.IGNORECASE,
)


def units(file: File, root: str, *names: str) -> Iterator[Element]:
    """The elements of some names, whatever their namespace, in the order of their ends; each is emptied after its use.

    What is above an element is there with its attributes, and no longer what was before it.

    Args:
        root: the name of the outermost element.

    Raises:
        UserError: not well-formed, another root, entities or a definition that are refused, or a damaged file; with
            the line.
    """
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=[f"{{*}}{name}" for name in (root, *names)],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    number, waiting = 0, 0
    is_checked = False

    def place() -> str:
        return f", after unit {number}"

    with open_text(file, place, any_encoding=True) as stream:
        while True:
            piece = stream.read1(PIECE_BYTES)
            broken = None
            try:
                if piece:
                    parser.feed(piece)
                else:
                    check_root(file, parser.close(), root)
            except etree.XMLSyntaxError as error:
                broken = not_well_formed(file, parser, error)
            waiting += len(piece)
            for event, element in parser.read_events():
                if not is_checked:
                    is_checked = True
                    check_root(file, element.getroottree().getroot(), root)
                if event == "end" and local(element) in names:
                    number, waiting = number + 1, 0
                    yield element
                    drop(element)
            if broken is not None:
                raise broken
            if waiting > MOST_BYTES:
                raise UserError(f"{file}{place()}: nothing in {MOST_BYTES:,} bytes is a {' or '.join(names)}.")
            if not piece:
                return


def drop(element: Element) -> None:
    """Empty an element, and take away what stands before it and before what is above it."""
    element.clear()
    for node in (element, *element.iterancestors()):
        above = node.getparent()
        while above is not None and (before := node.getprevious()) is not None:
            above.remove(before)


def check_root(file: File, root: Element, name: str) -> None:
    """See that a document is of a format, and declares nothing that is refused.

    Raises:
        UserError: it is not, or does.
    """
    about = root.getroottree().docinfo
    declared = [] if about.internalDTD is None else [*about.internalDTD.iterentities()]
    if declared:
        raise UserError(
            f"{file}: the document declares entities ({declared[0].name}, ...), which may stand for any amount of text "
            "or for other files; write their text in their place, and take the declarations out."
        )
    if about.system_url is not None and not STANDARD.fullmatch(about.system_url):
        raise UserError(
            f"{file}: the document type is defined elsewhere ({about.system_url}), where nothing is read; take "
            "<!DOCTYPE ...> out."
        )
    if local(root) != name:
        raise UserError(f"{file}: the outermost element is {local(root)}, and not {name}.")


def not_well_formed(file: File, parser: etree.XMLPullParser, error: etree.XMLSyntaxError) -> UserError:
    """The sentence for a document that is no XML: the first thing that is wrong with it."""
    first = next(iter(parser.feed_error_log), None)
    message, line = (error.msg, error.lineno) if first is None else (first.message, first.line)
    reason = re.sub(r",? line \d+, column \d+.*", "", " ".join(str(message).split()), flags=re.DOTALL)
    if "huge" in reason.lower():
        reason = "a text or a name of more than 10 MB, or elements more than 256 deep"
    if "amplification" in reason:
        reason = "entities that stand for far more text than they take"
    return UserError(f"{file}, line {line}: not well-formed XML ({reason}).")


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> list[Element]:
    """The elements of a name directly inside of another."""
    return [*element.iterchildren(f"{{*}}{name}")]


def text_of(element: Element, left_out: frozenset[str]) -> tuple[str, str | None]:
    """The text of an element without what stands inside of some others, and its problem: `entity` or null."""
    parts = [element.text or ""]
    problem = None
    for child in element:
        if not isinstance(child.tag, str):
            problem = ENTITY  # one whose declaration is elsewhere
        elif local(child) == "cp":  # of XLIFF: a character that XML cannot have
            parts.append(character(child.get("hex", "")))
        elif local(child) not in left_out:
            text, inner = text_of(child, left_out)
            parts.append(text)
            problem = problem or inner
        parts.append(child.tail or "")
    return "".join(parts), problem


def character(digits: str) -> str:
    """The character of a number in hexadecimal digits, U+FFFD if there is none."""
    try:
        return chr(int(digits, 16))
    except (ValueError, OverflowError):
        return "\ufffd"
