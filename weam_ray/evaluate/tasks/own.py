"""Tasks of the user's own: classifications whose files lie in a folder for each language, as a configuration says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language, known_language
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.labelled import read_labelled
from weam_ray.measure.ratio import Parts
from weam_ray.settings.evaluation import OwnTask, Recipe


def score(labels: Sequence[str], predictions: Sequence[str], language: str = "") -> dict[str, Parts]:
    return official.accuracy(labels, predictions) | official.macro_f1(labels, predictions)


ANY = Task(  # what all of them have in common, which is enough to score files of predictions
    name="own",
    kind="sentences",
    metric="accuracy",
    recipe=Recipe(),
    layouts=(),
    form=formats.LINES,
    score=score,
)


@dataclass(frozen=True)
class OwnFolder:
    """The folder of a task, and in it those of languages by XTREME's code."""

    path: Path
    languages: dict[str, Path]
    declared: OwnTask

    def by_language(self, root: Path, split: Split, language: Language) -> Sequence[Path]:
        return [self.languages.get(language.code, self.path / language.code) / self.name(split)]

    def of_english(self, root: Path, split: Split, language: Language) -> Sequence[Path]:
        return [self.path / self.name(split)] if language.code == ENGLISH else []

    def name(self, split: Split) -> str:
        """What the files of a split are called."""
        return f"{self.declared.train if split == 'train' else split}.tsv"

    def codes(self, root: Path) -> Sequence[str]:
        """The languages with test files."""
        return [code for code, folder in self.languages.items() if (folder / self.name("test")).is_file()]

    def read(self, files: Sequence[Path], split: Split, language: Language) -> pa.Table:
        pair = {} if self.declared.pair is None else {"pair": self.declared.pair}
        return read_labelled(files[0], {"text": self.declared.text, **pair, "label": self.declared.label})


def own_task(name: str, declared: OwnTask, root: Path | None) -> Task:
    """Make the task that a configuration declares.

    Raises:
        UserError: no such folder, one without files, or folders in it whose languages are not known.
    """
    folder = folder_of(name, declared, root)
    layouts = (
        Layout("a folder for each language", folder.by_language, folder.read, codes=folder.codes),
        Layout("files of English", folder.of_english, folder.read),
    )
    return replace(
        ANY,
        name=name,
        metric=declared.metric,
        recipe=declared.recipe,
        layouts=layouts,
        reference=declared.reference or "",
        licence=declared.licence or "",
        revision=declared.revision or "",
        counted={"metric": declared.metric},
    )


def folder_of(name: str, declared: OwnTask, root: Path | None) -> OwnFolder:
    """Find the folder of a task, and the languages in it: a folder with a file of any split is one of a language.

    Raises:
        UserError: as `own_task`.
    """
    key, given = f"own_tasks.{name}", Path(declared.folder).expanduser()
    if root is None and not given.is_absolute():
        raise UserError(
            f"{key}.folder: {declared.folder!r} lies under the data root, and none is named; give --data-root, or an "
            "absolute path."
        )
    path = given if root is None else root / given  # an absolute one stays as it is
    if not path.is_dir():
        raise UserError(f"{key}.folder: there is no folder {str(path)!r}.")
    splits = [f"{stem}.tsv" for stem in (declared.train, "dev", "test")]
    missing = [folder for folder in declared.languages if not (path / folder).is_dir()]
    if missing:
        raise UserError(f"{key}.languages.{missing[0]}: there is no folder {str(path / missing[0])!r}.")
    languages: dict[str, Path] = {}
    for folder in sorted(path.iterdir()):
        code = declared.languages.get(folder.name, folder.name)
        if code is None or not any((folder / split).is_file() for split in splits):
            continue
        known = known_language(code)
        if known is None:
            raise UserError(
                f"{key}: no language is known by {code!r}, of the folder {str(folder)!r}; name it by XTREME's code "
                f"(de), ISO 639-3's (deu) or NLLB's (deu_Latn), with {key}.languages.{folder.name}=CODE, or leave the "
                f"folder out with null."
            )
        if known.code in languages:
            raise UserError(
                f"{key}: {str(languages[known.code])!r} and {str(folder)!r} are both of the language {known.code!r}; "
                f"leave one out with {key}.languages.{folder.name}=null."
            )
        languages[known.code] = folder
    if not languages and not any((path / split).is_file() for split in splits):
        raise UserError(f"{key}.folder: {str(path)!r} has neither LANG/{splits[0]} of any language nor {splits[0]}.")
    return OwnFolder(path, languages, declared)
