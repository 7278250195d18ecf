"""A data root with a little of some tasks, and a tiny encoder, as tests of the evaluation write them."""

import itertools
import json
from pathlib import Path
from typing import Any

TOPICS = {"sports": "ball", "health": "heart", "travel": "train", "politics": "vote"}
OTHERS = {"deu_Latn": "das wort {} nummer {}", "tgl_Latn": "ang salita {} bilang {}"}


def write_sib200(root: Path) -> None:
    """English, German and Tagalog: a word of each sentence says its topic."""
    for nllb, pattern in {"eng_Latn": "the word {} number {}", **OTHERS}.items():
        folder = root / "sib200" / nllb
        folder.mkdir(parents=True, exist_ok=True)
        for split, count in (("train", 24), ("dev", 8), ("test", 12)):
            rows = [
                (topic, pattern.format(word, number)) for number in range(count // 4) for topic, word in TOPICS.items()
            ]
            lines = [f"{number}\t{topic}\t{text}" for number, (topic, text) in enumerate(rows)]
            (folder / f"{split}.tsv").write_text(
                "index_id\tcategory\ttext\n" + "\n".join(lines) + "\n", encoding="utf-8"
            )


def write_udpos(root: Path) -> None:
    folder = root / "udpos"
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in {
        "en_lines-ud-train": "the/DET dog/NOUN runs/VERB ./PUNCT",
        "en_partut-ud-train": "a/DET cat/NOUN sleeps/VERB ./PUNCT",
        "en_lines-ud-dev": "the/DET cat/NOUN runs/VERB ./PUNCT",
        "en_pud-ud-test": "a/DET dog/NOUN sleeps/VERB ./PUNCT",
        "de_pud-ud-test": "der/DET hund/NOUN läuft/VERB ./PUNCT",
    }.items():
        sentences = []
        for number in range(6):
            cells = [word.split("/") for word in words.split()]
            lines = [f"{place}\t{word}\t_\t{tag}" + "\t_" * 6 for place, (word, tag) in enumerate(cells, 1)]
            sentences.append(f"# sent_id = {number}\n" + "\n".join(lines) + "\n")
        (folder / f"{name}.conllu").write_text("\n".join(sentences), encoding="utf-8")


def write_tatoeba(root: Path) -> None:
    folder = root / "tatoeba"
    folder.mkdir(parents=True, exist_ok=True)
    for side, word in (("deu", "wort"), ("eng", "word")):
        lines = [f"{word} {number} {chr(97 + number) * 3}" for number in range(8)]
        (folder / f"tatoeba.deu-eng.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_gold(root: Path) -> None:
    folder = root / "gold"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deen.src-tgt").write_text("der hund ||| the dog\ndie katze ||| the cat\n", encoding="utf-8")
    (folder / "deen.gold").write_text("1-1 2-2\n1p1 2-2\n", encoding="utf-8")


def write_encoder(folder: Path, tokenizer: Any, seed: int = 1) -> Path:
    """A BERT of one layer and 16 hidden units, with its tokenizer."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_lareqa(root: Path) -> None:
    """Questions about words, with the sentences that have them, in SQuAD's form and XQuAD-R's."""

    def article(name: str, words: list[str], breaks: bool) -> dict[str, Any]:
        sentences = [f"The {word} is here. " for word in words]
        starts = [sum(map(len, sentences[:place])) for place in range(len(sentences) + 1)]
        questions = [
            {
                "id": f"{name}{place}",
                "question": f"Where is the {word}?",
                "answers": [{"text": word, "answer_start": starts[place] + 4}],
            }
            for place, word in enumerate(words)
        ]
        own: dict[str, Any] = {"context": "".join(sentences), "qas": questions}
        if breaks:
            own["sentence_breaks"] = list(itertools.pairwise(starts))
        return {"title": name, "paragraphs": [own]}

    def write(file: Path, *articles: dict[str, Any]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"version": "1.1", "data": list(articles)}), encoding="utf-8")

    write(
        root / "squad" / "train-v1.1.json",
        *(article(f"t{n}", ["dog", "cat", "house", "river"], False) for n in range(3)),
    )
    write(root / "squad" / "dev-v1.1.json", article("d", ["dog", "river"], False), article("x", ["cat"], False))
    write(root / "lareqa" / "xquad-r" / "en.json", article("x", ["cat", "house"], True))
    write(root / "lareqa" / "xquad-r" / "de.json", article("x", ["katze", "haus"], True))
