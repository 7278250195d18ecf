"""The filter of pairs with a sentence of an evaluation set: a model must not be trained on what it is tested on."""

from functools import cache

from weam_ray.corpus.filters.base import Kept, Pairs, keeps
from weam_ray.corpus.near import NearSentences
from weam_ray.corpus.readers.base import read_lines
from weam_ray.corpus.readers.files import existing_files
from weam_ray.corpus.sentences import sentence_name, sentences_of
from weam_ray.corpus.words import bare_words
from weam_ray.settings.filters import EvaluationFilter


@keeps.register
def not_of_evaluation(own: EvaluationFilter, pairs: Pairs) -> Kept:
    """Those without a sentence of the sets; sentences of some length inside of longer texts are looked at too.

    Raises:
        UserError: a file cannot be read.
    """
    names, near = sentences((own.files,) if isinstance(own.files, str) else tuple(own.files))

    def is_new(text: str) -> bool:
        for sentence in sentences_of(text):
            words = bare_words(sentence)
            if words and sentence_name(words) in names:
                return False
            if own.near and next(near.like(frozenset(words)), None) is not None:
                return False
        return True

    return pairs.on_each_side(lambda side: side.where(is_new))


@cache
def sentences(files: tuple[str, ...]) -> tuple[frozenset[int], NearSentences]:
    """The names of the sentences of some files, and their words; a process reads them once.

    Raises:
        UserError: a file cannot be read.
    """
    found: dict[int, frozenset[str]] = {}
    for file in existing_files([*files], "corpus.filters.files"):
        for lines in read_lines(file):
            for line in lines["text"].to_pylist():
                for text in line.split("\t"):
                    for sentence in sentences_of(text):
                        words = bare_words(sentence)
                        if words:
                            found.setdefault(sentence_name(words), frozenset(words))
    return frozenset(found), NearSentences([*found.values()])
