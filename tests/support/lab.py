"""A data root with a little of some tasks, and a tiny encoder, as tests of the evaluation write them."""

import itertools
import json
from pathlib import Path
from typing import Any

from tests.support.writing import paragraph, write_csv, write_json, write_json_lines, write_squad
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.evaluate import EvaluationJob
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import EVALUATE

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


def write_encoder(folder: Path, tokenizer: Any, seed: int = 1, num_words: int | None = None) -> Path:
    """A BERT of two layers and 16 hidden units, with its tokenizer, and embeddings for its words or for `num_words`."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=num_words or len(tokenizer),
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


def write_xquad(root: Path) -> None:
    """SQuAD, of whose development part XQuAD tests a question in English and German."""

    def articles(prefix: str, *words: str) -> list[dict[str, Any]]:
        return [
            paragraph(f"the {word} is in the old house number {number}", (f"{prefix}{number}", word))
            for number, word in enumerate(words)
        ]

    tested = articles("x", "cat", "river")
    write_squad(root / "squad" / "train-v1.1.json", *articles("t", "dog", "cat", "river", "king"))
    write_squad(root / "squad" / "dev-v1.1.json", *tested, *articles("d", "dog", "king"))
    write_squad(root / "xquad" / "xquad.en.json", *tested)
    write_squad(root / "xquad" / "xquad.de.json", *articles("x", "katze", "fluss"))


def write_mewslix(root: Path) -> None:
    """Mentions of four entities; those in news do not say which, labels beside them do."""
    folder, words = root / "mewslix", ("dog", "cat", "house", "river")

    def sentence(word: str) -> dict[str, Any]:
        text = f"the {word} is old"
        return {"text": text, "sentence_spans": [{"start": 0, "end": len(text)}]}

    def mention(name: str, word: str, entity: str) -> dict[str, Any]:
        return {"example_id": name, "mention_span": {"start": 4, "end": 4 + len(word)}, "entity_id": entity}

    entities = []
    for number, word in enumerate(words):
        text = f"what runs or stands, {word}"
        spans = [{"start": 0, "end": len(text)}]
        entities.append({"entity_id": f"Q{number}", "description": text, "sentence_spans": spans})
    write_json_lines(folder / "candidate_set_entities.jsonl", entities)
    for split in ("train", "dev"):
        pairs = [
            {"contextual_mention": {"context": sentence(word), "mention": mention("p", word, own["entity_id"])},
             "entity": own}
            for word, own in zip(words, entities, strict=True)
        ]  # fmt: skip
        write_json_lines(folder / f"wikipedia_pairs-{split}.jsonl", pairs)
    for code in ("en", "de"):
        found = [
            {"context": sentence(word), "mentions": [mention(f"{code}{n}", word, "")]} for n, word in enumerate(words)
        ]
        write_json_lines(folder / "wikinews_mentions" / f"test-{code}.jsonl", found)
        labels = {f"{code}{number}": [f"Q{number}"] for number in range(len(words))}
        write_json(folder / "wikinews_labels" / f"test-{code}.json", labels)


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


def job(lab: Path, output: str, *arguments: str) -> EvaluationJob:
    """An evaluation of the lab's encoder on its data, unless arguments say another."""
    given = ["--data-root", str(lab / "data"), "--output", str(lab / output)]
    given += [] if "--model" in arguments else ["--model", str(lab / "encoder")]
    more = [f"home={lab / 'home'}", "recipe.epochs=6", "recipe.learning_rate=5e-3", "recipe.batch_size=8"]
    options = parse(EVALUATE, "", [*given, *arguments, *more])
    return EvaluationJob.of(evaluation_settings(options), lab)


def write_xnli(data: Path) -> Path:
    """XNLI as XTREME leaves it: English trains, German has no labels; the folder of the data."""
    labels = ("neutral", "entailment", "contradiction")
    folder = data / "xnli"
    write_csv(folder / "train-en.tsv", [["the cat " * (4 - n), "das Haus", labels[n % 3]] for n in range(4)])
    write_csv(folder / "dev-en.tsv", [["dog", "Hund", "neutral"]])
    write_csv(folder / "test-de.tsv", [["Hund " * (3 - n), "Haus"] for n in range(3)])
    return data
