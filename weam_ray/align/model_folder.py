"""A fitted model as a folder of its own, to be kept, copied, and used on other text."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from weam_ray.align.table import table
from weam_ray.corpus.words import Segmentation
from weam_ray.errors import UserError
from weam_ray.settings.base import Role
from weam_ray.settings.data import AlignSection
from weam_ray.store.files import fingerprint
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Stage

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
SEGMENTATION = "corpus.segmentation"


def write_model(aligner: Stage, align: AlignSection, segmentation: Segmentation, folder: Path) -> None:
    """Copy the files of the stage `aligner`, and say in a manifest how words were made.

    The same model gives the same bytes: neither times nor paths are written.
    """
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    files = []
    for part in dict.fromkeys(entry["part"] for entry in aligner.manifest["files"]):
        for file in aligner.files(part):
            named = replace(file, name=f"{file.label}{Path(file.name).suffix}")
            place(aligner, file.name, folder / named.name)
            files.append(asdict(named))
    manifest = {
        "format_version": FORMAT_VERSION,
        **{last_part(key): value for key, value in of_model(align, segmentation).items()},
        "corpus": corpus_of(aligner),
        "files": files,
        "info": aligner.info,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


def of_model(align: AlignSection, segmentation: Segmentation) -> dict[str, Any]:
    """The settings that a fitted model has, by dotted key."""
    return {**{f"align.{key}": value for key, value in align.only(Role.MODEL).items()}, SEGMENTATION: segmentation}


def corpus_of(aligner: Stage) -> str:
    """The fingerprint of the corpus that a model was fitted on; empty where an earlier version left it out."""
    return str(aligner.manifest.get("inputs", aligner.manifest).get("corpus", ""))


def last_part(key: str) -> str:
    """The name of a dotted key in its section, which a manifest has."""
    return key.rpartition(".")[2]


def place(stage: Stage, name: str, path: Path) -> None:
    """Put a file of a stage at a path: the same bytes on the same disk once, else a copy."""
    if stage.folder.is_local:
        try:
            os.link(stage.folder.file(name), path)
        except OSError:  # another disk, or one without links
            shutil.copyfile(stage.folder.file(name), path)
    else:
        path.write_bytes(stage.folder.read(name))


def read_manifest(path: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a model, or of the alignment job that left it, and its manifest.

    Raises:
        UserError: there is no model, one of another format, or one whose files are not all there.
    """
    folder = Path(path).expanduser().absolute()
    if not (folder / MANIFEST).is_file() and (folder / "model" / MANIFEST).is_file():
        folder /= "model"
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["format_version"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"align.model={path}: there is no model; name the folder `model` that an alignment job left."
        ) from None
    if version != FORMAT_VERSION:
        raise UserError(f"{folder}: a model of format {version}; this version reads format {FORMAT_VERSION}.")
    for file in files:
        present = folder / file["name"]
        if not present.is_file() or present.stat().st_size != file["size"]:
            raise UserError(f"{present}: this file of the model is missing or not whole; copy the folder again.")
    return folder, manifest


def load_model(align: AlignSection, segmentation: Segmentation) -> Stage:
    """Open the model of `align.model`, as the stage that it was.

    Raises:
        UserError: not a model, or one whose words were made in another way than the settings say.
    """
    assert align.model is not None
    folder, manifest = read_manifest(align.model)
    for key, value in of_model(align, segmentation).items():
        fitted_with = manifest[last_part(key)]
        if fitted_with != value:
            raise UserError(
                f"{key}={value}: the model in {folder} was fitted with {fitted_with}; "
                f"set {key}={str(fitted_with).lower()}."
            )
    if not table()[manifest["aligner"]].sharded:
        raise UserError(
            f"align.model={align.model}: {manifest['aligner']} aligns only the text that it is given, "
            "so there is no model for other text; leave out align.model."
        )
    hashes = {file["label"]: file["sha256"] for file in manifest["files"]}
    return Stage(Folder.at(folder), {**manifest, "fingerprint": fingerprint(hashes)})
