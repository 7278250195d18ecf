"""What differs between two evaluations beside the encoder, so that a difference of scores may be of that."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weam_ray.store.provenance import BASE, TEXT

Trees = Sequence[Mapping[str, Any]]

WORDS = {
    "training_data": "training data",
    "development_data": "development data",
    "labels": "labels",
    "layer": "layer",
    "chain": "intermediate training",
}


def unlike(first: dict[str, Any], second: dict[str, Any], task: str) -> list[str]:
    """Compare how a task was trained and measured by two systems, as their `evaluation.json` say.

    What one of them does not say, since an earlier version wrote it, is left out.

    Returns:
        Clauses such as `recipe.epochs: 1 and 5`, the value of the first system first.
    """
    return [f"{name}: {ours} and {theirs}" for name, ours, theirs in differences(first, second, task)]


def differences(first: dict[str, Any], second: dict[str, Any], task: str) -> Iterator[tuple[str, str, str]]:
    """Name and both values of each difference."""
    both = (first, second)
    for key in ("setting", "intermediate"):
        yield from differing(key, *(about[key] for about in both))
    ours, theirs = (about["tasks"][task] for about in both)
    if ours["trained"] or first["intermediate"] or second["intermediate"]:
        yield from differing("threads", *(about.get("threads") for about in both))  # they move the last digits
    yield from differing("GPU", *(about.get("use_gpu") for about in both))
    for key, name in WORDS.items():
        if key == "chain" and first["intermediate"] != second["intermediate"]:
            continue  # said already
        yield from differing(name, ours.get(key), theirs.get(key))
    yield from of_seen(ours.get("seen"), theirs.get("seen"))
    recipes = [own.get("recipe") for own in (ours, theirs)]
    if "layer" in ours and "layer" in theirs:  # which is what the key of the recipe comes to
        recipes = [own and {key: value for key, value in own.items() if key != "layer"} for own in recipes]
    yield from of_trees("recipe", *recipes)
    yield from of_pretraining(*([own for own in about.get("pretraining", ()) if own is not None] for about in both))
    yield from of_unknown(*both)
    yield from of_bases(*both)


def of_pretraining(ours: Trees, theirs: Trees) -> Iterator[tuple[str, str, str]]:
    """The keys that differ between any two of the models of two systems, with all values that either has.

    Keys of the objective count where all have them: those of another objective change nothing for one.
    """
    if not ours or not theirs:
        return
    trees = (*ours, *theirs)
    for key in dict.fromkeys(key for tree in trees for key in tree):
        if (key in (TEXT, BASE) or key.startswith("objective.")) and any(tree.get(key) is None for tree in trees):
            continue
        first, second = (" or ".join(dict.fromkeys(said(tree.get(key)) for tree in own)) for own in (ours, theirs))
        if len({said(tree.get(key)) for tree in trees}) > 1:
            yield f"pre-training.{key}", first, second


def of_unknown(*both: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Models of runs of which it is not known how they were trained; of an evaluation of an earlier version, none."""
    models = [
        [
            name
            for name, of_run, own in zip(
                *(about.get(key, ()) for key in ("models", "of_runs", "pretraining")), strict=False
            )
            if of_run and own is None
        ]
        for about in both
    ]
    if any(models):
        ours, theirs = (f"not known of {', '.join(dict.fromkeys(own))}" if own else "known" for own in models)
        yield "pre-training", ours, theirs


def of_bases(*both: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The base of a system that was pre-trained, and the other system where that is a fixed encoder, if it is none."""
    for fixed, trained in (both, both[::-1]):
        if any(fixed.get("of_runs", [True])) or not all(trained.get("of_runs", [False])):
            continue
        bases = list(dict.fromkeys(own and own.get(BASE) for own in trained["pretraining"]))
        encoders = list(dict.fromkeys(fixed["encoders"]))
        if None not in bases and bases != encoders:
            given, begun = " or ".join(encoders), f"trained from {' or '.join(bases)}"
            yield ("encoder", given, begun) if fixed is both[0] else ("encoder", begun, given)


def of_seen(ours: Any, theirs: Any) -> Iterator[tuple[str, str, str]]:
    """How many test examples stood in the training text, where any did; null: not known of a system."""
    some = any(own["same_words"] or own["near"] for counts in (ours, theirs) for own in (counts or {}).values())
    if some and ours != theirs:
        yield "test examples seen in pre-training", said(ours), said(theirs)


def of_trees(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, str, str]]:
    """The keys of two mappings that differ; one that only one of them has counts as null in the other."""
    if ours is None or theirs is None:
        return
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield f"{name}.{key}", said(ours.get(key)), said(theirs.get(key))


def differing(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, str, str]]:
    if ours is not None and theirs is not None and ours != theirs:
        yield name, said(ours), said(theirs)


def said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
