"""Rankings of candidates for queries: texts encoded one by one, candidates block by block, cosine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.encode.tokens import encoded_texts
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.kinds.retrieval import text_vectors
from weam_ray.evaluate.models import encoder_of, tokenizer_of
from weam_ray.measure.nearest import nearest
from weam_ray.measure.states import check_layer, default_layer, sentence_vectors
from weam_ray.settings.evaluation import Recipe

BEST = 20  # candidates of a ranking
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def pooled(model: Any, tokenizer: Any, recipe: Recipe) -> Encode:
    """Texts to means of the states of one layer, by default that of `default_layer`, over a text's own tokens.

    Raises:
        UserError: the encoder has no such layer.
    """
    layer = recipe.layer if recipe.layer is not None else default_layer(model.config)
    check_layer(model, layer)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        ids = [
            np.asarray(tokens, np.int32)
            for tokens in encoded_texts(tokenizer, list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        ]
        size = recipe.max_length, recipe.prediction_batch_size
        return sentence_vectors(model, tokenizer, ids, layer, *size, special=recipe.special_tokens)

    return encode


def trained_vectors(model: Any, tokenizer: Any, recipe: Recipe, max_length: int) -> Encode:
    """Texts, of which so many tokens are read, to the vectors that a pair of encoders is trained on."""
    import torch

    @torch.no_grad()
    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        model.eval()
        device = next(model.parameters()).device
        vectors = np.empty((len(texts), model.config.hidden_size), np.float32)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in range(0, len(order), recipe.prediction_batch_size):
            chosen = order[start : start + recipe.prediction_batch_size]
            own = [texts[number] for number in chosen]
            encoded = encoded_texts(tokenizer, own, truncation=True, max_length=max_length)
            names = [name for name in tokenizer.model_input_names if name in encoded]
            batch = tokenizer.pad({name: encoded[name] for name in names}, return_tensors="pt").to(device)
            vectors[chosen] = text_vectors(model(**batch), recipe).float().cpu().numpy()
        return vectors

    return encode


def rankings(
    data: TaskData, queries: dict[str, pa.Table], encode: Encode, encode_queries: Encode | None = None
) -> dict[str, dict[str, list[str]]]:
    """The best candidates of every query, by language and name of the query.

    Languages with the same candidates are ranked together, so that these are encoded once, and never all at a time.

    Args:
        encode_queries: where queries are encoded otherwise than candidates.
    """
    encode_queries = encode_queries or encode
    together: dict[object, list[str]] = {}
    for code in queries:
        together.setdefault(data.candidate_files(code) or code, []).append(code)
    found: dict[str, dict[str, list[str]]] = {}
    for codes in together.values():
        names: list[str] = []

        def blocks(codes: list[str] = codes, names: list[str] = names) -> Iterator[NDArray[np.float32]]:
            for table in data.candidates(codes[0]):
                names.extend(table["id"].to_pylist())
                yield encode(table["text"].to_pylist())

        # each language by itself, so that no vector depends on which languages are asked
        vectors = np.concatenate([encode_queries(queries[code]["text"].to_pylist()) for code in codes])
        best, _ = nearest(vectors, blocks(), BEST)
        start = 0
        for code in codes:
            ids = queries[code]["id"].to_pylist()
            rows = best[start : start + len(ids)].tolist()
            found[code] = {name: [names[place] for place in row] for name, row in zip(ids, rows, strict=True)}
            start += len(ids)
    return found


def untrained(
    data: TaskData, queries: dict[str, pa.Table], model: str, recipe: Recipe, threads: int, device: str
) -> Any:
    """Predictions by language of a task without training: the name of the nearest candidate of each query.

    Raises:
        UserError: the model cannot be loaded.
    """
    import torch

    torch.set_num_threads(threads)
    encode = pooled(encoder_of(model).to(device), tokenizer_of(model), recipe)
    return {code: [ranking[0] for ranking in found.values()] for code, found in rankings(data, queries, encode).items()}
