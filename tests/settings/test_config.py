"""The configuration: what loads, what is refused and in which words, and what counts for a result."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weam_ray.errors import UserError
from weam_ray.settings.config import SHIPPED, Config, load_config

SHIPPED_NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
MOSES = {"format": "moses", "source": "a.en", "target": "a.de", "source_lang": "en", "target_lang": "de"}


def refusal(*overrides: str, config: str = "bundled") -> str:
    """The message that a configuration is refused with."""
    with pytest.raises(UserError) as caught:
        load_config(config, overrides)
    return str(caught.value)


def test_bundled_is_shipped() -> None:
    assert "bundled" in SHIPPED_NAMES


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_shipped_configuration_loads(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path / "data"))
    config = load_config(name)
    assert config.name == name
    file = tmp_path / "copy.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(str(file)) == config


def test_data_root_is_put_into_the_paths_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEAM_RAY_DATA_ROOT", raising=False)
    with pytest.raises(UserError, match=r"corpus\.sources\.0\.source: .*set data_root.*WEAM_RAY_DATA_ROOT"):
        load_config("lab")
    given = load_config("lab", [f"data_root={tmp_path}"]).corpus.sources[0]
    assert given.source == f"{tmp_path}/bible/en.txt.gz"
    with pytest.raises(UserError, match=r"data_root: a path is expected, but 2024 was given"):
        load_config("lab", ["data_root=2024"])
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path))
    assert load_config("lab").corpus.sources[0] == given
    assert load_config("lab").result_settings() == load_config("lab", [f"data_root={tmp_path}"]).result_settings()


# Texts that YAML 1.1 or 1.2 could take for something else, among any others.
TEXTS = st.one_of(
    st.sampled_from(
        ["no", "yes", "null", "~", "1", "1e3", "0x1f", "2026-01-02", "a: b", "- a", "#a", "'", "a\nb\r\n", " "]
    ),
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12),
)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
CODES = st.sampled_from(["no", "de", "pt-BR", "on", "zh_Hant"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "home": st.none() | TEXTS,
        "stages": st.none() | TEXTS,
        "corpus": st.fixed_dictionaries(
            {
                "sources": st.lists(
                    st.fixed_dictionaries(
                        {"format": st.just("tsv"), "path": TEXTS, "source_lang": st.just("is"), "target_lang": CODES},
                        optional={"source_column": st.integers(0, 99), "header": st.booleans()},
                    )
                    | st.fixed_dictionaries(
                        {
                            "format": st.just("parquet"),
                            "path": TEXTS,
                            "source_lang": CODES,
                            "target_lang": st.just("is"),
                        },
                        optional={"id_column": st.none() | TEXTS},
                    ),
                    min_size=1,
                    max_size=3,
                )
            },
            optional={"max_words": st.integers(1, 32_000), "held_out": st.integers(0, 10**6)},
        ),
        "align": st.fixed_dictionaries({}, optional={"alpha": POSITIVE, "lowercase": st.booleans()}),
        "objective": st.fixed_dictionaries(
            {"name": st.sampled_from(["weam", "tlm"])},
            optional={"lambda": POSITIVE, "mask_probability": st.floats(0.001, 0.999)},
        ),
        "optimizer": st.fixed_dictionaries(
            {"learning_rate": POSITIVE},
            optional={"betas": st.lists(st.floats(0, 0.9999), min_size=2, max_size=2)},
        ),
        "training": st.fixed_dictionaries(
            {
                "num_workers": st.sampled_from([1, 2, 4]),
                "batch_size": st.sampled_from([8, 32, 64]),
                "zero_stage": st.sampled_from([1, 2, 3]),
            },
            optional={"micro_batch_size": st.none() | st.sampled_from([1, 2]), "precision": st.just("bf16")},
        ),
        "evaluation": st.fixed_dictionaries({"layer": st.integers(-24, 24)}),
        "tracking": st.fixed_dictionaries({"experiment": TEXTS, "uri": st.none() | TEXTS}),
        "seeds": st.fixed_dictionaries({"data": st.integers(0, 2**63 - 1)}),
    },
)


@settings(max_examples=50, deadline=None)
@given(changes=CHANGES)
def test_yaml_round_trip_is_equal(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]) -> None:
    config = Config.model_validate({**load_config("bundled").tree(), **changes})
    file = tmp_path_factory.mktemp("config") / "config.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    again = load_config(str(file))
    assert again == config
    assert again.result_settings() == config.result_settings()


def test_the_pivot_is_a_language_of_the_corpus() -> None:
    assert (
        refusal("evaluation.pivot=xx")
        == "evaluation.pivot 'xx' is in no source; the languages are de, en, es, fr, ru, tl."
    )
    assert load_config("bundled", ["evaluation.pivot=de"]).evaluation.pivot == "de"


@pytest.mark.parametrize(
    ("override", "key", "nearest"),
    [
        ("trainin.max_steps=3", "trainin", "training"),
        ("objective.lamda=1", "objective.lamda", "objective.lambda"),
        ("objective.lambda_=1", "objective.lambda_", "objective.lambda"),
        ("encoder.scratch.num_layer=3", "encoder.scratch.num_layer", "encoder.scratch.num_layers"),
        (
            "corpus.sources=[{format: moses, sorce: a, source: a, target: b, source_lang: en, target_lang: de}]",
            "corpus.sources.0.sorce",
            "corpus.sources.0.source",
        ),
        (
            "corpus.sources=[{format: bundled, source_lang: en, target_lang: de},"
            " {format: tsv, path: a, source_lang: en, target_lang: de, heading: true}]",
            "corpus.sources.1.heading",
            "corpus.sources.1.header",
        ),
    ],
)
def test_unknown_key_names_the_nearest(override: str, key: str, nearest: str) -> None:
    assert refusal(override) == f"{key}: unknown key. Did you mean {nearest!r}?"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("training.max_steps=abc", "training.max_steps", "'abc'"),
        ("training.max_steps=1.5", "training.max_steps", "1.5"),
        ("training.max_steps=true", "training.max_steps", "True"),
        ("training.max_steps=-1", "training.max_steps", "-1"),
        ("training.micro_batch_size=0", "training.micro_batch_size", "0"),
        ("training.zero_stage=4", "training.zero_stage", "4"),
        ("training.precision=fp16", "training.precision", "'fp16'"),
        ("objective.lambda=-1", "objective.lambda", "-1"),
        ("objective.lambda=.nan", "objective.lambda", "nan"),
        ("objective.mask_probability=1", "objective.mask_probability", "1"),
        ("objective.normalize='true'", "objective.normalize", "'true'"),
        ("objective=mlmm", "objective.name", "'mlmm'"),
        ("optimizer.betas=[0.9]", "optimizer.betas", "[0.9]"),
        ("corpus.sources=[]", "corpus.sources", "[]"),
        ("corpus.sources=3", "corpus.sources", "3"),
        ("corpus=3", "corpus", "3"),
        ("corpus.max_words=40000", "corpus.max_words", "40000"),
        ("seeds.data=-1", "seeds.data", "-1"),
        ("name=a/b", "name", "'a/b'"),
        ("home=3", "home", "3"),
        ("encoder.scratch={hidden_size: 10, num_heads: 3}", "encoder.scratch", "10"),
        (
            "corpus.sources=[{format: bundled, source_lang: en, target_lang: en}]",
            "corpus.sources.0",
            "'en'",
        ),
        ("corpus.sources=[{format: xml, source_lang: en, target_lang: de}]", "corpus.sources.0.format", "'xml'"),
        (
            "corpus.sources=[{format: bundled, source_lang: English!, target_lang: de}]",
            "corpus.sources.0.source_lang",
            "'English!'",
        ),
    ],
)
def test_refusal_names_key_and_value(override: str, key: str, value: str) -> None:
    message = refusal(override)
    assert message.startswith(f"{key}: ")
    assert value in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "key"),
    [("training.num_workers=0", "training.num_workers"), ("training.batch_size=x", "training.batch_size")],
)
def test_resolved_keys_are_not_asked_for(override: str, key: str) -> None:
    """micro_batch_size and threads_per_worker follow from others: a mistake there is the only sentence."""
    message = refusal(override)
    assert message.startswith(f"{key}: ")
    assert "\n" not in message


def test_every_mistake_has_its_sentence() -> None:
    lines = refusal("objective.lambda=-1", "training.max_steps=-1").splitlines()
    assert [line.split(":")[0] for line in lines] == ["objective.lambda", "training.max_steps"]


def test_required_key() -> None:
    sources = "corpus.sources=[{format: moses, source: a, source_lang: en, target_lang: de}]"
    assert refusal(sources) == "corpus.sources.0.target: this key is required."


@pytest.mark.parametrize("override", ["training.max_steps", "=3", ""])
def test_override_without_key_or_equals(override: str) -> None:
    message = refusal(override)
    assert repr(override) in message
    assert "key.sub=value" in message


def test_override_through_a_value() -> None:
    message = refusal("objective.name.x=3")
    assert "'objective.name.x=3'" in message
    assert "'name' is a value, not a section" in message


def test_override_with_bad_yaml() -> None:
    message = refusal("objective.lambda=[1")
    assert message.startswith("'objective.lambda=[1': the value is not valid YAML")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"objective: [", "not valid YAML"),
        (b"name: a\nname: b\n", "not valid YAML"),
        (b"x: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        (b"- 1\n", "a mapping of sections is expected, not list"),
        (b"name: caf\xe9\n", "UTF-8"),
    ],
)
def test_file_that_is_no_configuration(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_bytes(content)
    message = refusal(config=str(file))
    assert str(file) in message
    assert reason in message


def test_no_such_configuration() -> None:
    message = refusal(config="bundeld")
    assert "bundeld" in message
    assert all(name in message for name in SHIPPED_NAMES)


def test_file_goes_by_its_name_unless_it_says_another(tmp_path: Path) -> None:
    text = load_config("bundled").to_yaml().replace("name: bundled\n", "", 1)
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    assert load_config(str(file)).name == "mine"
    assert load_config(str(file), ["name=other"]).name == "other"


def test_objective_short_form() -> None:
    config = load_config("bundled", ["objective=tlm"])
    assert config == load_config("bundled", ["objective.name=tlm"])
    assert config.objective.name == "tlm"
    assert config.objective.mask_probability == load_config("bundled").objective.mask_probability


def test_encoder_short_form() -> None:
    assert load_config("bundled", ["encoder=xlm-roberta-base"]).encoder.name == "xlm-roberta-base"


def test_later_override_goes_first() -> None:
    assert load_config("bundled", ["training.max_steps=3", "training.max_steps=7"]).training.max_steps == 7


def test_no_is_norwegian(tmp_path: Path) -> None:
    config = load_config(
        "bundled", ["corpus.sources=[{format: bundled, source_lang: en, target_lang: no}]", "evaluation.pivot=no"]
    )
    assert config.corpus.sources[0].target_lang == "no"
    assert config.evaluation.pivot == "no"
    file = tmp_path / "norwegian.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(str(file)).corpus.sources[0].target_lang == "no"
    assert "'no'" in refusal("objective.normalize=no")


def test_resolved_numbers_stand_in_the_tree() -> None:
    tree = load_config("bundled", ["training.num_workers=2", "training.batch_size=16"]).tree()
    assert (tree["training"]["micro_batch_size"], tree["training"]["threads_per_worker"]) == (8, 1)


@pytest.mark.parametrize(
    ("overrides", "numbers"),
    [
        (["training.batch_size=10", "training.num_workers=3"], "3 x 3 = 9"),
        (["training.batch_size=4", "training.num_workers=8"], "1 x 8 = 8"),
        (["training.batch_size=32", "training.micro_batch_size=5"], "5 x 1 = 5"),
    ],
)
def test_batch_size_must_divide(overrides: list[str], numbers: str) -> None:
    message = refusal(*overrides)
    assert message.startswith("training: batch_size")
    assert overrides[0].split("=")[1] in message
    assert numbers in message


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "home=/elsewhere",
        "stages=s3://bucket/stages",
        "output.dir=/elsewhere/run",
        "tracking={uri: 'http://127.0.0.1:5000', experiment: other}",
        "cluster={address: auto, data_cpus: 0.5}",
        "training.max_failures=9",
    ],
)
def test_places_and_services_change_no_result(override: str) -> None:
    plain, changed = load_config("bundled"), load_config("bundled", [override])
    assert changed != plain
    assert changed.result_settings() == plain.result_settings()


def test_source_paths_change_no_result() -> None:
    here = Config.model_validate({"corpus": {"sources": [MOSES]}, "encoder": {"name": "scratch"}})
    moved = {**MOSES, "source": "/data/b.en", "target": "/data/b.de"}
    there = Config.model_validate({"corpus": {"sources": [moved]}, "encoder": {"name": "scratch"}})
    assert here != there
    assert here.result_settings() == there.result_settings()
    assert here.corpus.sources[0].settings() == there.corpus.sources[0].settings()


@pytest.mark.parametrize(
    "override",
    [
        "objective.lambda=0.5",
        "objective=tlm",
        "objective.masking=aligned",
        "seeds.data=11",
        "seeds.masking=11",
        "seeds.model=11",
        "training.max_steps=401",
        "training.batch_size=64",
        "training.zero_stage=2",
        "optimizer.betas=[0.9, 0.99]",
        "optimizer.learning_rate=0.001",
        "corpus.held_out=10",
        "align.iterations=6",
        "encode.symmetrization=union",
        "tokenizer.vocab_size=500",
        "encoder.scratch.num_layers=3",
        "evaluation.layer=2",
    ],
)
def test_settings_that_change_a_result(override: str) -> None:
    assert load_config("bundled", [override]).result_settings() != load_config("bundled").result_settings()


def test_scratch_settings_count_for_scratch_only() -> None:
    loaded = load_config("bundled", ["encoder=some/model"])
    changed = load_config("bundled", ["encoder=a/copy", "tokenizer.vocab_size=500", "encoder.scratch.num_layers=3"])
    assert changed.result_settings() == loaded.result_settings()  # its files count by content, elsewhere
    dropped = load_config("bundled", ["encoder=some/model", "encoder.dropout=0.3"])
    assert dropped.result_settings() != loaded.result_settings()


def test_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config("bundled").training.max_steps = 3


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UserError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        load_config("bundled", ["tracking.uri=https://me:hunter2@example.org/mlflow"])
    assert "hunter2" not in str(caught.value)
    assert load_config("bundled", ["tracking.uri=http://127.0.0.1:5000"]).tracking.uri == "http://127.0.0.1:5000"


def test_a_configuration_from_before_the_section_of_the_alignment_job(tmp_path: Path) -> None:
    """The folders of runs that were begun before have none."""
    config = load_config("bundled", ["output.dir=/runs/a"])
    file = tmp_path / "config.yaml"
    text = config.to_yaml()
    start, end = text.index("align_job:"), text.index("output:")
    file.write_text(text[:start] + text[end:], encoding="utf-8")
    assert load_config(str(file)) == config
