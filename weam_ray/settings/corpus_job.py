"""The section `corpus_job`: what `jobs/corpus.py` leaves besides the corpus."""

from typing import Annotated, Literal

from pydantic import Field

from weam_ray.settings.base import Role, Section


class CorpusJobSection(Section):
    """What `jobs/corpus.py` leaves besides the corpus."""

    export: Annotated[Literal["moses", "tsv", "parquet", "jsonl", "tmx"] | None, Role.EXTRA] = Field(
        default=None,
        description="The format in which the pairs of each language pair are written as files too, in export/.",
    )
