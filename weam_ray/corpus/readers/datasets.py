"""Data sets of Hugging Face, by folder or by name, read in batches from their Arrow files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from weam_ray.corpus.readers.base import raw_pairs, source_files
from weam_ray.corpus.readers.columns import BATCH_ROWS, columns_of, names_of, pairs_of_columns
from weam_ray.errors import UserError
from weam_ray.settings.sources import DatasetsSource
from weam_ray.store.remote import RemoteFile

if TYPE_CHECKING:
    from datasets import Dataset

SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` leaves: of one split, of several


@source_files.register
def datasets_files(source: DatasetsSource) -> list[Path | RemoteFile]:
    """The Arrow files of the split.

    Raises:
        UserError: see `opened`.
    """
    return [Path(file["filename"]) for file in opened(source).cache_files]


@raw_pairs.register
def datasets_pairs(source: DatasetsSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by row.

    Raises:
        UserError: see `opened`; or a column is missing, or holds no text.
    """
    found = opened(source)
    wanted = columns_of(source, source.label(), found.data.schema)
    tables = found.select_columns(names_of(source, [column[:1] for column in wanted])).with_format("arrow")
    batches = (batch for table in tables.iter(BATCH_ROWS) for batch in table.combine_chunks().to_batches())
    return pairs_of_columns(source, wanted, batches, source.label())


def opened(source: DatasetsSource) -> "Dataset":
    """The split of a data set, mapped into memory; one of the hub is fetched into its cache if need be.

    Raises:
        UserError: there is none of the name, or no such subset or split, or it is in no form of data that is known.
    """
    import datasets

    folder = Path(source.path)
    try:
        if any((folder / name).is_file() for name in SAVED):
            found = datasets.load_from_disk(source.path)
            if isinstance(found, datasets.Dataset):
                return found
            if source.split not in found:
                raise ValueError(f"no split {source.split!r}; there are {', '.join(found)}")
            return found[source.split]
        return datasets.load_dataset(source.path, source.subset, split=source.split, revision=source.revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"corpus.sources.path {source.label()}: {reason}.") from error
