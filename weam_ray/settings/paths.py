"""Paths in settings: made absolute when they are read, so that driver, workers and later runs mean the same place."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from weam_ray.settings.base import Called


def absolute(path: str) -> str:
    """The absolute form of a path; `~` is the user's folder, and a relative one starts at the current folder."""
    return str(Path(os.path.expanduser(path)).absolute())


def in_ray_job() -> bool:
    """Whether this process is the driver of a Ray job, whose current folder is a copy that is deleted later."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _kept(path: str) -> str:
    """`absolute`, of a place where something is to stay.

    Raises:
        ValueError: a relative path in a Ray job.
    """
    if in_ray_job() and not os.path.isabs(os.path.expanduser(path)):
        raise ValueError(f"{path!r}: in a Ray job name an absolute path; the job's own folder is deleted")
    return absolute(path)


def _path_or_uri(address: str) -> str:
    return address if "://" in address else _kept(address)


def absolute_or_address(path: str) -> str:
    """An address such as `s3://bucket/text.gz` as it is, and the absolute form of another path."""
    return path if "://" in path else absolute(path)


def _path_or_paths(given: Any) -> Any:
    """What names files to read: a path, or a list of paths.

    Raises:
        ValueError: something else.
    """
    paths = given if isinstance(given, list) else [given]
    if not paths or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"a path or a list of paths is expected, but {given!r} was given")
    return given


def store_address(uri: str) -> str:
    """The address of an MLflow store, with the path of one that is a folder or a file of sqlite made absolute.

    Raises:
        ValueError: a relative path in a Ray job.
    """
    if ":" not in uri and not uri.startswith("databricks"):
        return _kept(uri)
    scheme, mark, place = uri.partition(":///")
    file, question, options = place.partition("?")
    if scheme.split("+")[0] != "sqlite" or not mark or file in ("", ":memory:"):
        return uri
    return f"{scheme}{mark}{_kept(file)}{question}{options}"


def folder_or_name(name: str) -> str:
    """A folder by its absolute path; any other name as it is."""
    return absolute(name) if Path(os.path.expanduser(name)).is_dir() else name


LocalPath = Annotated[str, AfterValidator(absolute), Called("path")]  # of what is read
OutputPath = Annotated[str, AfterValidator(_kept), Called("path")]  # of what is written
StoragePath = Annotated[str, AfterValidator(_path_or_uri), Called("path or URI")]  # of what is written: s3://bucket too
ModelName = Annotated[str, AfterValidator(folder_or_name), Called("folder or name")]  # of a model: a name on the hub

DataPath = Annotated[str, AfterValidator(absolute_or_address), Called("path or address")]  # of data that are read
DataPaths = Annotated[DataPath | list[DataPath], BeforeValidator(_path_or_paths), Called("path or list of paths")]
