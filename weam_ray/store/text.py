"""Text files as users have them."""

from pathlib import Path

from weam_ray.errors import UserError

BLANKS = " \t\r"  # of which a blank line is made: all other white space, a no-break space too, may be a word


def read_text(file: Path) -> str:
    """The text without a byte order mark. Raises UserError for a missing file, or bytes that are not UTF-8."""
    try:
        # `read_text` would make line feeds of carriage returns
        return file.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except FileNotFoundError:
        raise UserError(f"There is no file {str(file)!r}.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: byte {error.start + 1} is not UTF-8; convert the file to UTF-8.") from None


def raw_lines(file: Path) -> list[str]:
    """Split a file into lines by line feed alone, without `BLANKS` around them.

    What follows the last line feed is a line if it is not blank.
    """
    lines = [line.strip(BLANKS) for line in read_text(file).split("\n")]
    return lines if lines[-1] else lines[:-1]


def text_lines(file: Path) -> list[str]:
    """The lines of a file of texts, without white space of any kind around them."""
    return [line.strip() for line in raw_lines(file)]
