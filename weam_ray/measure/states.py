"""The states of an encoder at each layer: vectors of sentences, and states of words; each sentence is encoded alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from weam_ray.align.links import Links
from weam_ray.encode.projection import project
from weam_ray.encode.tokens import tokenize
from weam_ray.errors import UserError
from weam_ray.model.families import states_of
from weam_ray.model.tokenizer import SentenceTemplate

XTREME_LAYERS = {24: 14}  # by the number of layers, where its script for Tatoeba has its own


@dataclass(frozen=True)
class WordTexts:
    """Raw texts as token ids, and the word of each token.

    Text t has the tokens from `token_offsets[t]` to `token_offsets[t + 1]`, and the words from `word_offsets[t]` to
    `word_offsets[t + 1]`, whose `spans`, (words, 2), are in its characters. `words` is (tokens,): the word of each
    token, counted over all texts, -1 for none. A token belongs to the first word that its span overlaps.
    """

    texts: Sequence[str]
    ids: NDArray[np.int32]
    token_offsets: NDArray[np.int64]
    words: NDArray[np.int64]
    spans: NDArray[np.int32]
    word_offsets: NDArray[np.int64]

    @classmethod
    def of(
        cls, tokenizer: Any, texts: Sequence[str], spans: NDArray[np.int32], word_offsets: NDArray[np.int64]
    ) -> "WordTexts":
        """Tokenize texts; `spans` are flat, as `flat_spans` returns them, or (words, 2), as `segment` does."""
        assert len(word_offsets) == len(texts) + 1
        ids, tokens, token_offsets = tokenize(tokenizer, list(texts))
        flat = np.require(spans.reshape(-1), np.int32, ["C", "W"])
        no_spans, no_offsets = np.empty(0, np.int32), np.zeros(len(texts) + 1, np.int64)
        own_words, *_ = project(
            tokens, token_offsets, flat, np.require(word_offsets, np.int64, ["C", "W"]),
            no_spans, no_offsets, no_spans, no_offsets, np.empty((0, 2), np.int16), no_offsets, False,
        )  # fmt: skip
        begins = np.repeat(word_offsets[:-1], np.diff(token_offsets))
        return cls(
            texts,
            ids,
            token_offsets,
            np.where(own_words < 0, -1, own_words + begins),
            flat.reshape(-1, 2),
            word_offsets,
        )

    def __len__(self) -> int:
        return len(self.texts)

    def sentences(self) -> list[NDArray[np.int32]]:
        """The token ids of each text, as `sentence_vectors` takes them."""
        return np.split(self.ids, self.token_offsets[1:-1])

    def cut(self, room: int) -> NDArray[np.bool_]:
        """Say of each word, (words,), whether it loses a subword where each text is cut to its first `room` tokens."""
        places = np.arange(len(self.ids)) - np.repeat(self.token_offsets[:-1], np.diff(self.token_offsets))
        return self._have(self.words[places >= room])

    def found(self, room: int) -> NDArray[np.bool_]:
        """Say of each word, (words,), whether it has a subword of its own and loses none at `room` tokens a text."""
        return self._have(self.words) & ~self.cut(room)

    def surface(self, numbers: NDArray[np.int64]) -> list[str]:
        """Return the text of words, given by their numbers over all texts."""
        texts = np.searchsorted(self.word_offsets, numbers, side="right") - 1
        return [
            self.texts[text][start:end]
            for text, (start, end) in zip(texts.tolist(), self.spans[numbers].tolist(), strict=True)
        ]

    def _have(self, words: NDArray[np.int64]) -> NDArray[np.bool_]:
        result = np.zeros(self.word_offsets[-1], np.bool_)
        result[words[words >= 0]] = True
        return result


def check_layer(model: Any, layer: int) -> None:
    """See that the encoder has a layer.

    Raises:
        UserError: it has not.
    """
    layers = model.config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise UserError(f"evaluation.layer={layer}: the encoder has layers 0 (embeddings) to {layers}.")


def default_layer(config: Any) -> int:
    """Return the layer that retrieval without training takes: two thirds of the way up, 8 of 12, as in XTREME's script
    for Tatoeba; and 14 of 24, as that has it for XLM-R large.
    """
    return XTREME_LAYERS.get(config.num_hidden_layers, math.ceil(config.num_hidden_layers * 2 / 3))


@dataclass(frozen=True)
class LayerEncoder:
    """An encoder that returns the states of some of its layers; of a sentence it takes the first `room` tokens."""

    model: Any
    layers: tuple[int, ...]
    prefix: list[int]
    suffix: list[int]
    pad_id: int
    room: int

    @classmethod
    def of(cls, model: Any, tokenizer: Any, max_length: int, layers: Sequence[int] | None = None) -> "LayerEncoder":
        """Wrap a Hugging Face encoder, with or without a head.

        Args:
            max_length: of a sentence with its special tokens; longer ones are cut.
            layers: 0 is the embeddings, -1 the last layer; by default all, (0, 1, ..., last).

        Raises:
            UserError: the encoder has no such layer.
        """
        chosen = tuple(range(model.config.num_hidden_layers + 1) if layers is None else layers)
        for layer in chosen:
            check_layer(model, layer)
        template = SentenceTemplate.of(tokenizer)
        room = max_length - template.num_special
        assert room > 0, max_length
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        return cls(model, chosen, template.prefix.tolist(), template.suffix.tolist(), pad_id, room)

    @torch.no_grad()
    def states(
        self, sentences: Sequence[NDArray[np.int32]], special: bool = False
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode sentences: (sentences, T, hidden) float32 a layer, and (sentences, T) which states are of own tokens.

        T is the most tokens that are left of a sentence. Special tokens before the sentence are taken off, so that the
        k-th state is that of its k-th token; what follows the sentence is no own token.

        Args:
            special: whether special tokens are taken for own ones; T is then longer by them.
        """
        device = next(self.model.parameters()).device
        own = [ids[: self.room].tolist() for ids in sentences]
        longest = max(map(len, own))
        length = longest + len(self.prefix) + len(self.suffix)
        rows = [[*self.prefix, *ids, *self.suffix] for ids in own]
        ids = torch.tensor([row + [self.pad_id] * (length - len(row)) for row in rows], device=device)
        sizes = torch.tensor([len(row) for row in rows], device=device)[:, None]
        mask = torch.arange(length, device=device)[None, :] < sizes
        self.model.eval()
        hidden = states_of(self.model, self.layers, input_ids=ids, attention_mask=mask.long())
        if special:
            return [layer_states.float() for layer_states in hidden], mask
        first = len(self.prefix)
        states = [layer_states[:, first : first + longest].float() for layer_states in hidden]
        return states, torch.arange(longest, device=device)[None, :] < sizes - first - len(self.suffix)

    def batches(
        self, sentences: Sequence[NDArray[np.int32]], batch_size: int, special: bool = False
    ) -> Iterator[tuple[NDArray[np.int64], list[torch.Tensor], torch.Tensor]]:
        """Encode sentences in batches of like length, and yield which sentences are in a batch, with their `states`."""
        by_length = np.argsort([len(ids) for ids in sentences], kind="stable")
        for start in range(0, len(by_length), batch_size):
            chosen = by_length[start : start + batch_size]
            yield (chosen, *self.states([sentences[number] for number in chosen], special))


def layer_sentence_vectors(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[NDArray[np.int32]],
    max_length: int,
    batch_size: int,
    layers: Sequence[int] | None = None,
    special: bool = False,
) -> NDArray[np.float32]:
    """Return (layers, sentences, hidden) means of the states of a sentence's own tokens, of all layers or some.

    A sentence without tokens has a vector of zeros.

    Args:
        sentences: token ids without special tokens; cut to `max_length` with them.
        special: whether the special tokens that are put around a sentence count too.
    """
    encoder = LayerEncoder.of(model, tokenizer, max_length, layers)
    result = np.empty((len(encoder.layers), len(sentences), model.config.hidden_size), np.float32)
    for chosen, states, own in encoder.batches(sentences, batch_size, special):
        weights = own.float() / own.sum(1, keepdim=True).clamp(min=1)
        for number, layer_states in enumerate(states):
            result[number, chosen] = (layer_states * weights[:, :, None]).sum(1).cpu().numpy()
    return result


def sentence_vectors(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[NDArray[np.int32]],
    layer: int,
    max_length: int,
    batch_size: int,
    special: bool = False,
) -> NDArray[np.float32]:
    """Return the (sentences, hidden) `layer_sentence_vectors` of one layer."""
    return layer_sentence_vectors(model, tokenizer, sentences, max_length, batch_size, [layer], special)[0]


def word_state_batches(
    encoder: LayerEncoder, texts: WordTexts, batch_size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield, batch by batch, the numbers of words that have a state, rising, and their (layers, words, hidden) states.

    The state of a word is the mean of those of its subwords. A word that loses a subword to truncation has none: see
    `WordTexts.cut`.
    """
    found = texts.found(encoder.room)
    for chosen, states, own in encoder.batches(texts.sentences(), batch_size):
        rows, places = np.nonzero(own.cpu().numpy())
        words = texts.words[texts.token_offsets[chosen][rows] + places]
        used = words >= 0
        used[used] = found[words[used]]
        numbers, slots = np.unique(words[used], return_inverse=True)
        where = torch.from_numpy(rows[used]), torch.from_numpy(places[used])
        counts = torch.from_numpy(np.bincount(slots, minlength=len(numbers)))[:, None]
        slot = torch.from_numpy(slots)
        pooled = []
        for layer_states in states:
            sums = torch.zeros(len(numbers), layer_states.shape[2])
            pooled.append(sums.index_add_(0, slot, layer_states.cpu()[where]) / counts)
        yield numbers, np.stack([each.numpy() for each in pooled])


@dataclass(frozen=True)
class WordStates:
    """States of the words of some texts, (layers, words, hidden) float32, text t from `offsets[t]` to `offsets[t + 1]`.

    `found` and `cut` are (words,): a word that truncation `cut` has no state, nor has one without a subword of its own,
    which is neither. Their states are NaN.
    """

    states: NDArray[np.float32]
    offsets: NDArray[np.int64]
    found: NDArray[np.bool_]
    cut: NDArray[np.bool_]


def word_states(
    model: Any,
    tokenizer: Any,
    texts: WordTexts,
    max_length: int,
    batch_size: int,
    layers: Sequence[int] | None = None,
) -> WordStates:
    """Encode texts and return the states of all their words; `linked_states` returns those of linked words only."""
    encoder = LayerEncoder.of(model, tokenizer, max_length, layers)
    states = _gather(encoder, texts, np.arange(texts.word_offsets[-1]), batch_size)
    return WordStates(states, texts.word_offsets, texts.found(encoder.room), texts.cut(encoder.room))


@dataclass(frozen=True)
class LinkedStates:
    """States of linked words of two languages: row r of `source` and `target`, (layers, L, hidden) float32, is link r.

    Args:
        pairs: (L,) the sentence pair of each link.
        identical: (L,) whether the two words of a link are the same text.
        num_lost: how many further links were left out, because one of their words has no state: it is cut off by
            truncation, or has no subword of its own.
    """

    source: NDArray[np.float32]
    target: NDArray[np.float32]
    pairs: NDArray[np.int64]
    identical: NDArray[np.bool_]
    num_lost: int


def linked_states(
    model: Any,
    tokenizer: Any,
    source: WordTexts,
    target: WordTexts,
    links: Links,
    max_length: int,
    batch_size: int,
) -> LinkedStates:
    """Encode pairs of texts and return the states of linked words, at all layers; `links` are one-to-one."""
    assert len(source) == len(target) == len(links.offsets) - 1
    encoder = LayerEncoder.of(model, tokenizer, max_length)
    pairs = np.repeat(np.arange(len(source)), np.diff(links.offsets))
    left = source.word_offsets[pairs] + links.links[:, 0]
    right = target.word_offsets[pairs] + links.links[:, 1]
    assert len(np.unique(left)) == len(np.unique(right)) == len(pairs), "links are not one-to-one"
    kept = source.found(encoder.room)[left] & target.found(encoder.room)[right]
    pairs, left, right = pairs[kept], left[kept], right[kept]
    same = [a == b for a, b in zip(source.surface(left), target.surface(right), strict=True)]
    return LinkedStates(
        _gather(encoder, source, left, batch_size),
        _gather(encoder, target, right, batch_size),
        pairs,
        np.array(same, np.bool_),
        int(np.count_nonzero(~kept)),
    )


def _gather(encoder: LayerEncoder, texts: WordTexts, wanted: NDArray[np.int64], batch_size: int) -> NDArray[np.float32]:
    """Return the (layers, wanted, hidden) states of distinct words, NaN for a word without a state."""
    rows = np.full(texts.word_offsets[-1], -1, np.int64)
    rows[wanted] = np.arange(len(wanted))
    result = np.full((len(encoder.layers), len(wanted), encoder.model.config.hidden_size), np.nan, np.float32)
    for numbers, states in word_state_batches(encoder, texts, batch_size):
        kept = rows[numbers] >= 0
        result[:, rows[numbers[kept]]] = states[:, kept]
    return result
