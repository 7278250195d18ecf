"""The one kind of error that is the user's to mend, and how its sentence counts."""


class UserError(ValueError):
    """A mistake that the user can mend: its text is the whole message, printed without a traceback.

    The text says what was wrong, where (file, line, key, value) and what would be right.
    """


class EncoderUnavailable(UserError):
    """An encoder of the hub that cannot be had here; a preview goes on without it."""


class Unreachable(UserError):
    """A file that cannot be read at this moment, such as one at an address or on a disk that fails; it is no damage."""


class Stopped(Exception):
    """The job was asked to end early, and did, in good order; its text says how to go on."""


def several(count: int, noun: str) -> str:
    """A number with its noun: `1 worker`, `2 workers`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
