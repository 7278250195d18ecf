"""The user that a process runs as: one without a name or a home of its own, as containers have, gets a stand-in.

Numba, Ray, matplotlib, Hugging Face and others keep files in the home, some of them when they are imported.
"""

import os
import pwd
import secrets
import stat
import tempfile
from pathlib import Path


def settle() -> None:
    """Name the user and the places for caches in the environment where the system does not; call before imports.

    A home that is there stays what `~` means; if it cannot be written, only what libraries write goes elsewhere.
    """
    uid = os.getuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        for variable in ("USER", "LOGNAME"):
            os.environ.setdefault(variable, f"user-{uid}")
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and home.is_dir():
        if os.access(home, os.W_OK | os.X_OK):
            return
        place = own_folder(uid)
        hub = home / ".cache" / "huggingface"
        os.environ.setdefault("HF_HOME", str(hub if hub.is_dir() else place / ".cache" / "huggingface"))
        os.environ.setdefault("XDG_CACHE_HOME", str(place / ".cache"))
        os.environ.setdefault("XDG_CONFIG_HOME", str(place / ".config"))
        os.environ.setdefault("MPLCONFIGDIR", str(place / ".config" / "matplotlib"))
        if not (home / ".ray" / "auth_token").is_file() and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # of a cluster that this process starts
        return
    os.environ["HOME"] = str(own_folder(uid))


def own_folder(uid: int) -> Path:
    """A folder of the user alone among the temporary files, the same for all processes."""
    place = Path(tempfile.gettempdir()) / f"weam-ray-home-{uid}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if found.st_uid != uid or not stat.S_ISDIR(found.st_mode):
        return Path(tempfile.mkdtemp(prefix=f"{place.name}-"))
    return place
