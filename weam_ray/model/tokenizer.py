"""The encoder's tokenizer: trained on the corpus or loaded, and the frame it puts around a pair."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.errors import UserError
from weam_ray.settings.data import TokenizerSection

LONGEST_WORD = 100  # characters of a word in which WordPiece looks for tokens
UP_TO_LONGEST = f".{{1,{LONGEST_WORD}}}"
# what may be a long word when it is normalised, by which some signs go that Python takes for spaces
_NEARLY_LONG = re.compile(rf"(?:\S|[\x1c-\x1f\x85]){{{LONGEST_WORD // 2},}}")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_wordpiece(
    texts: Iterable[str], settings: TokenizerSection, max_length: int, others: Iterable[str] = ()
) -> Any:
    """Train a WordPiece tokenizer in BERT's form on raw text, which is read twice.

    WordPiece makes one unknown token of a word of more than 100 characters, and to BERT's rules a whole sentence is
    a word where a script has no spaces. So where some text has such words, all words are cut after every 100
    characters, and characters that training does not show stand alone.

    Args:
        others: further texts that the tokenizer will meet; they are only looked at for long words.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    def empty(model: Any) -> Any:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase, strip_accents=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        return tokenizer

    def cut_words(tokenizer: Any, *patterns: str) -> None:
        """Let what matches the patterns stand alone, within the words of BERT's rules."""
        cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), *cuts])

    trained = empty(models.WordPiece(unk_token="[UNK]"))
    # the trainer numbers the characters inside words as a hash table has them, and breaks ties by number:
    # so they get their numbers here, as if they were special tokens
    characters: set[str] = set()
    long_words = any(has_long_word(text, trained) for text in others)
    for text in texts:
        characters.update(text)
        long_words = long_words or has_long_word(text, trained)
    framed = {c: trained.normalizer.normalize_str(f"a{c}a") for c in sorted(characters)}
    insides = {word[1:-1] for word in framed.values() if len(trained.pre_tokenizer.pre_tokenize_str(word)) == 1}
    inside = sorted({character for word in insides for character in word})
    reserved = [*SPECIAL_TOKENS, *(f"##{character}" for character in inside)]
    trainer = trainers.WordPieceTrainer(vocab_size=settings.vocab_size, special_tokens=reserved, show_progress=False)
    if long_words:
        cut_words(trained, UP_TO_LONGEST)
    trained.train_from_iterator(texts, trainer)
    tokenizer = empty(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    if long_words:
        known = "".join(f"\\x{{{ord(token):x}}}" for token in sorted(trained.get_vocab()) if len(token) == 1)
        cut_words(tokenizer, f"[^{known}]", UP_TO_LONGEST)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


def has_long_word(text: str, tokenizer: Any) -> bool:
    """Whether a text has a word, by the rules of a tokenizer, that is too long for WordPiece."""
    if not _NEARLY_LONG.search(text):
        return False
    words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    return any(len(word) > LONGEST_WORD for word, _ in words)


def load_tokenizer(name: str | Path, revision: str | None = None, masks: bool = True) -> Any:
    """The tokenizer of a Hugging Face name or a local folder.

    Raises:
        UserError: it cannot be loaded, gives no offsets, has an added token that it cannot look for, or has no mask
            token where it `masks`.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(name), revision=revision or "main", use_fast=True)
    except Exception as error:  # the libraries raise what their parts raise
        reason = " ".join(str(error).split())
        raise UserError(f"encoder.name={name}: its tokenizer cannot be loaded: {reason[:400]}") from None
    if masks and tokenizer.mask_token_id is None:
        raise UserError(
            f"encoder.name={name}: its tokenizer has no mask token, so nothing can be masked; "
            "choose an encoder that was trained as a masked language model."
        )
    if not tokenizer.is_fast:
        raise UserError(
            f"encoder.name={name}: its tokenizer gives no character offsets (no tokenizer.json); "
            "words cannot be projected to subwords."
        )
    check_added_tokens(tokenizer, f"encoder.name={name}")
    return tokenizer


def check_added_tokens(tokenizer: Any, where: str) -> None:
    """See that every added token leaves something to look for in a text.

    An added token that is looked for in normalized text is normalized itself. Where nothing is left of it (BERT's
    normalizer removes U+200C, for example), it is found between all characters: the library then cuts every text into
    characters, panics, or asks for memory without end.

    Raises:
        UserError: nothing is left of an added token; the message begins with `where`.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    for token in tokenizer.added_tokens_decoder.values():
        if token.normalized and normalizer is not None and not normalizer.normalize_str(token.content):
            raise UserError(
                f"{where}: nothing is left of the added token {token.content!a} when its tokenizer normalizes it, "
                "so it would be found everywhere; leave it out, or add it as AddedToken(..., normalized=False) "
                '("normalized": false in tokenizer.json), and save the tokenizer again.'
            )


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens around a pair, `prefix x middle y suffix`, and the token type of every part."""

    prefix: NDArray[np.int64]
    middle: NDArray[np.int64]
    suffix: NDArray[np.int64]
    types: tuple[int, int, int, int, int]

    @classmethod
    def of(cls, tokenizer: Any) -> "PairTemplate":
        """Read off what the tokenizer itself puts around a pair."""
        word = next(text for text in ("a", "e", "1", ".") if ordinary(tokenizer, text))
        encoded = tokenizer(word, word, return_special_tokens_mask=True, return_token_type_ids=True)
        ids, types = np.array(encoded["input_ids"]), encoded["token_type_ids"]
        text = np.flatnonzero(np.array(encoded["special_tokens_mask"]) == 0)
        length = len(text) // 2
        first, second = text[0], text[length]
        end_first, end_second = first + length, second + length
        return cls(
            prefix=ids[:first],
            middle=ids[end_first:second],
            suffix=ids[end_second:],
            types=(types[0], types[first], types[end_first], types[second], types[-1]),
        )

    @property
    def num_special(self) -> int:
        return len(self.prefix) + len(self.middle) + len(self.suffix)


@dataclass(frozen=True)
class SentenceTemplate:
    """The special tokens around a sentence that stands alone; all its token types are 0 in every known family."""

    prefix: NDArray[np.int64]
    suffix: NDArray[np.int64]

    @classmethod
    def of(cls, tokenizer: Any) -> "SentenceTemplate":
        """Read off what the tokenizer itself puts around a sentence."""
        word = next(text for text in ("a", "e", "1", ".") if ordinary(tokenizer, text))
        encoded = tokenizer(word, return_special_tokens_mask=True)
        ids = np.array(encoded["input_ids"])
        text = np.flatnonzero(np.array(encoded["special_tokens_mask"]) == 0)
        return cls(ids[: text[0]], ids[text[-1] + 1 :])

    @property
    def num_special(self) -> int:
        return len(self.prefix) + len(self.suffix)


def ordinary(tokenizer: Any, text: str) -> bool:
    """Whether a text gives tokens, none of them special."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return bool(ids) and not set(ids) & set(tokenizer.all_special_ids)
