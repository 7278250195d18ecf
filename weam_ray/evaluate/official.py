"""Official metrics: the figures that XTREME's scorer, SQuAD's and MLQA's give, in percent.

Every one is a ratio of sums over examples. `Parts` are those sums before they are added up, so that a bootstrap over
examples resamples the metric itself. Of the language only MLQA's metric makes use.
"""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from weam_ray.measure.ratio import Parts, mean_of


def accuracy(labels: Sequence[Any], predictions: Sequence[Any], language: str = "") -> dict[str, Parts]:
    """The share of predictions that are the label."""
    return {"accuracy": mean_of([float(own == gold) for own, gold in zip(predictions, labels, strict=True)])}


def macro_f1(labels: Sequence[str], predictions: Sequence[str], language: str = "") -> dict[str, Parts]:
    """The mean over labels of their F1, over those that stand among the labels or the predictions.

    It is no ratio of sums over examples, so the parts are those of its linear form around the value: their mean is the
    value, and a bootstrap over them has its sampling error to the first order.
    """
    total, values = np.zeros(len(labels)), []
    gold, found = (np.asarray(side, dtype=object) for side in (labels, predictions))
    names = sorted({*labels, *predictions})
    for name in names:
        here, there = gold == name, found == name
        size = here.astype(np.float64) + there
        value = 2 * float((here & there).sum()) / float(size.sum())
        values.append(value)
        total += (2.0 * (here & there) - value * size) / float(size.sum())
    return {"macro_f1": mean_of((np.mean(values) + len(labels) * total / len(names)).tolist())}


def chunks(sentences: Sequence[Sequence[str]]) -> list[set[tuple[str, int, int]]]:
    """The chunks that end in each sentence, by the rules of seqeval 1.2.2: type, first and last word of the whole text.

    XTREME scores parts of speech by these rules too. A tag is a letter and a type, whatever stands there: neighbours of
    one tag are one chunk, but every SCONJ and SYM is its own, as S-; CCONJ and SCONJ are of one type, `CONJ`, so that
    one is right for the other; an X, of no type, is lost at the end of a sentence and begins too early at the start of
    one. The official figure has all of this in it.
    """
    found: list[set[tuple[str, int, int]]] = []
    place, start, last, last_type = 0, 0, "O", ""
    for sentence in sentences:
        found.append(set())
        for tag in [*sentence, "O"]:
            prefix, kind = tag[:1], tag[1:].split("-", maxsplit=1)[-1] or "_"
            other = last_type != kind
            if last in "ES" or (last in "BI" and prefix in "BSO") or (last not in "O." and other):
                found[-1].add((last_type, start, place - 1))
            if prefix in "BS" or (last in "ESO" and prefix in "EI") or (prefix not in "O." and other):
                start = place
            last, last_type, place = prefix, kind, place + 1
    return found


def tag_f1(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], language: str = ""
) -> dict[str, Parts]:
    """F1, precision and recall of `chunks` over all sentences, as XTREME takes it for names and parts of speech."""
    pairs = list(zip(chunks(predictions), chunks(labels), strict=True))
    right = np.array([len(own & truth) for own, truth in pairs], np.float64)
    found, gold = (np.array([len(pair[side]) for pair in pairs], np.float64) for side in (0, 1))
    return {"f1": Parts(2 * right, found + gold), "precision": Parts(right, found), "recall": Parts(right, gold)}


def tag_accuracy(labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> dict[str, Parts]:
    """The share of words whose tag is right."""
    pairs = list(zip(predictions, labels, strict=True))
    right = [sum(map(str.__eq__, own, truth)) for own, truth in pairs]
    return {
        "accuracy": Parts(np.asarray(right, np.float64), np.asarray([len(truth) for _, truth in pairs], np.float64))
    }


def squad_normalized(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and extra spaces (SQuAD v1.1)."""
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": r"\sال^|ال",
}
MLQA_LANGUAGES = (*MLQA_ARTICLES, "hi", "zh")


@cache
def punctuation() -> frozenset[str]:
    """Unicode's punctuation (categories P*) and ASCII's."""
    codes = map(chr, range(sys.maxunicode))
    return frozenset(code for code in codes if unicodedata.category(code).startswith("P")) | set(string.punctuation)


def mlqa_normalized(text: str, language: str) -> str:
    """Lower case, without punctuation, the language's articles and extra spaces; Chinese by character (MLQA, Lewis et
    al. 2020). A language that MLQA has not has no articles removed.
    """
    marks = punctuation()
    bare = "".join(character for character in text.lower() if character not in marks)
    if language in MLQA_ARTICLES:
        bare = re.sub(MLQA_ARTICLES[language], " ", bare)
    if language == "zh":
        bare = re.sub(r"([\u4e00-\u9fa5])", r" \1 ", bare)
    return " ".join(bare.split())


Questions = Sequence[tuple[str, Sequence[str]]]  # name and gold answers of each


def answer_scores(labels: Questions, predictions: dict[str, str], normalized: Callable[[str], str]) -> dict[str, Parts]:
    """Exact match and token F1 of answers, the best of a question's gold answers; an unanswered question has 0."""
    exact, overlap = [], []
    for name, answers in labels:
        own = normalized(predictions[name]) if name in predictions else None
        truths = [normalized(answer) for answer in answers]
        exact.append(float(own is not None and own in truths))
        overlap.append(max((token_f1(own, truth) for truth in truths), default=0.0) if own is not None else 0.0)
    return {"f1": mean_of(overlap), "exact_match": mean_of(exact)}


def token_f1(own: str, truth: str) -> float:
    found, expected = own.split(), truth.split()
    same = sum((Counter(found) & Counter(expected)).values())
    if not same:
        return 0.0
    precision, recall = same / len(found), same / len(expected)
    return 2 * precision * recall / (precision + recall)


def squad(labels: Questions, predictions: dict[str, str], language: str = "") -> dict[str, Parts]:
    return answer_scores(labels, predictions, squad_normalized)


def mlqa(labels: Questions, predictions: dict[str, str], language: str) -> dict[str, Parts]:
    return answer_scores(labels, predictions, partial(mlqa_normalized, language=language))


def average_precision(targets: Sequence[Any], ranked: Sequence[Any], k: int) -> float:
    """Average precision of the first `k` of a ranking, each candidate counted once (LAReQA, Roy et al. 2020)."""
    wanted, seen, hits, total = set(targets), set(), 0, 0.0
    for place, candidate in enumerate(ranked[:k], 1):
        if candidate in wanted and candidate not in seen:
            hits += 1
            total += hits / place
        seen.add(candidate)
    return total / min(len(wanted), k)


def map_at_20(
    labels: dict[str, Sequence[Any]], predictions: dict[str, Sequence[Any]], language: str = ""
) -> dict[str, Parts]:
    """Mean average precision at 20; a query without a ranking has 0."""
    return {
        "map@20": mean_of([average_precision(gold, predictions.get(name, ()), 20) for name, gold in labels.items()])
    }
