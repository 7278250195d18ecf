"""Text files as users have them."""

from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.store.opening import text_bytes

BLANKS = " \t\r"  # of which a blank line is made: all other white space, a no-break space too, may be a word


def read_text(file: Path) -> str:
    """Read a whole file of text, plain or packed, without a byte order mark; its line ends stay as they are.

    Raises:
        UserError: there is no such file, it is something else than text, or has bytes that are not UTF-8.
    """
    try:
        return text_bytes(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: byte {error.start + 1} is not UTF-8; convert the file to UTF-8.") from None


def raw_lines(file: Path) -> list[str]:
    """Split a file into lines by line feed alone, without `BLANKS` around them.

    What follows the last line feed is a line if it is not blank.
    """
    lines = [line.strip(BLANKS) for line in read_text(file).split("\n")]
    return lines if lines[-1] else lines[:-1]


def text_lines(file: Path) -> list[str]:
    """Split a file of texts into lines, without white space of any kind around them."""
    return [line.strip() for line in raw_lines(file)]
