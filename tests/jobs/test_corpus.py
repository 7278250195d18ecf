"""The corpus job: what it counts, what it leaves, and that what it exports is read again as the same pairs."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

from tests.support.forms import FORMS, source_of
from weam_ray.errors import UserError
from weam_ray.jobs.corpus import CorpusJob
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import Config, load_config

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

WORDS = ("house", "river", "dog", "king", "tree", "stone", "bread", "water", "fire", "hand")
GOOD = [
    (f"The {first} of the {second} is near the {third}.", f"Das {second} ist nah an dem {first} und {third}.")
    for first in WORDS
    for second in WORDS
    for third in WORDS[:2]
]
BAD = [
    ("", "leer"),
    ("the same", "the same"),
    ("one", "eins " * 40),
    ("12 345 678", "12 345 678 9"),
    GOOD[3],
    GOOD[4],
    ("<b>bold</b> &amp; more words", "fette Wörter mit mehr"),
]
FILTERS = "[{filter: length_ratio}, {filter: digits}, {filter: duplicates}]"


Done = tuple[CorpusJob, dict[str, Any]]


def config_of(home: Path, source: Any, *overrides: str) -> Config:
    sources = json.dumps([source.tree() if not isinstance(source, dict) else source])
    return load_config("bundled", [f"home={home}", f"corpus.sources={sources}", "corpus.held_out=10", *overrides])


def done(action: str, config: Config, home: Path) -> Done:
    job = CorpusJob.of(action, config, home)
    result = job.run()
    assert json.loads((job.folder / "result.json").read_text(encoding="utf-8")) == result
    return job, result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def source(place: Path) -> dict[str, Any]:
    own = FORMS["jsonl"](place, GOOD + BAD).tree()
    return own | {"licence": "CC0", "reference": "Made up | for\n<b>tests</b> (2026)"}


@pytest.fixture(scope="module")
def built(place: Path, source: dict[str, Any], ray_session: None) -> Done:
    return done("build", config_of(place, source, f"corpus.filters={FILTERS}", "corpus_job.export=tsv"), place)


class TestBuild:
    def test_counts(self, built: Done) -> None:
        result = built[1]
        (own,) = result["sources"]
        assert (own["rows"], own["licence"], own["language_pair"]) == (207, "CC0", "en-de")
        assert result["rejected"] == {"blank": 1, "digits": 1, "duplicates": 2, "identical": 1, "length_ratio": 1}
        assert result["filters"] == [
            {"name": "length_ratio", "filter": "length_ratio", "kept": 204, "dropped": 1},
            {"name": "digits", "filter": "digits", "kept": 203, "dropped": 1},
            {"name": "duplicates", "filter": "duplicates", "kept": 201, "dropped": 2},
        ]
        assert result["pairs"] == {"en-de": {"train": 191, "held_out": 10}}
        assert result["peak_bytes"] > 50 * 2**20
        assert result["seconds"]["total"] > 0

    def test_rejected_rows_are_kept_with_their_reasons(self, built: Done) -> None:
        job, result = built
        rows = [row for file in sorted((job.folder / "rejected").iterdir()) for row in pq.read_table(file).to_pylist()]
        assert Counter(row["reason"] for row in rows) == result["rejected"]
        lines = GOOD + BAD
        assert all((row["source"], row["target"]) == lines[row["row"]] for row in rows)

    def test_the_card(self, built: Done) -> None:
        text = (built[0].folder / "README.md").read_text(encoding="utf-8")
        for words in (
            "207 rows were read",
            built[1]["fingerprint"],
            "CC0",
            r"Made up \| for &lt;b>tests&lt;/b> (2026)",
            "| duplicates",
        ):
            assert words in text
        assert "\n\n\n" not in text
        assert re.search(r"build --config \S+config.yaml", text)

    def test_the_report_opens_without_a_network(self, built: Done) -> None:
        text = (built[0].folder / "report.html").read_text(encoding="utf-8")
        assert "What was rejected" in text
        assert "eins eins eins" in text
        assert 'src="data:image/png;base64,' in text
        assert not re.search(r"(src|href)=\"(http|/|\.)", text)

    def test_pretraining_takes_the_same_stage(self, built: Done, place: Path, source: dict[str, Any]) -> None:
        plain = config_of(place, source, f"corpus.filters={FILTERS}")
        assert Pretraining.of(plain, place).plan.corpus.fingerprint == built[0].stage.fingerprint
        other = config_of(place, source)
        assert Pretraining.of(other, place).plan.corpus.fingerprint != built[0].stage.fingerprint

    def test_mlflow_has_its_figures(self, built: Done) -> None:
        job, result = built
        run = job.frame.tracker().client.get_run(result["mlflow_run_id"])
        assert run.data.metrics["rejected/duplicates"] == 2
        assert run.data.metrics["train/en-de"] == 191
        assert run.data.tags["kind"] == "corpus"
        assert json.loads(run.data.params["corpus.filters"])[0]["filter"] == "length_ratio"

    def test_again_in_the_same_folder(self, built: Done, place: Path, source: dict[str, Any]) -> None:
        """What was exported before in another form is gone, and the MLflow run is the same."""
        job, result = done(
            "build", config_of(place, source, f"corpus.filters={FILTERS}", "corpus_job.export=jsonl"), place
        )
        assert job.folder == built[0].folder
        assert {file.name for file in (job.folder / "export").iterdir()} == set(result["export"])
        assert result["mlflow_run_id"] == built[1]["mlflow_run_id"]
        assert result["fingerprint"] == built[1]["fingerprint"]


def test_the_same_pairs_in_every_form_have_one_fingerprint(place: Path) -> None:
    found = {}
    for form in (form for form in FORMS if form != "remote"):
        folder = place / f"as-{form}"
        folder.mkdir()
        found[form] = done("build", config_of(place, FORMS[form](folder, GOOD)), place)[1]["fingerprint"]
    assert len(found) >= 8
    assert len(set(found.values())) == 1
    others = [*GOOD[1:], ("The end of it.", "Das Ende davon.")]
    other = done("build", config_of(place, FORMS["tsv"](place, others)), place)
    assert other[1]["fingerprint"] not in found.values()


class TestExport:
    """Texts with what formats have signs for; line breaks are lost where a format has lines."""

    PAIRS: ClassVar = [
        *GOOD,
        ('a < b & "c"', "zwei\tTabs"),
        ("two\nlines", "zwei\u2028Zeilen"),
        ("\x01 control", "\U0001f600 \u200d!"),
    ]

    @pytest.mark.parametrize("form", ["moses", "tsv", "parquet", "jsonl", "tmx"])
    def test_it_is_read_again(self, place: Path, form: str) -> None:
        folder = place / f"export-{form}"
        folder.mkdir()
        own = FORMS["jsonl"](folder, self.PAIRS)
        job, result = done("build", config_of(place, own, f"corpus_job.export={form}", "corpus.held_out=0"), place)
        assert set(result["export"].values()) == {len(self.PAIRS)}
        files = sorted((job.folder / "export").iterdir())
        assert [file.name for file in files] == sorted(result["export"])
        if form == "moses":
            again = source_of("moses", source=str(files[1]), target=str(files[0]))
        else:
            again = source_of(form, path=str(files[0]))
        _, second = done("build", config_of(place, again, "corpus.held_out=0"), place)
        assert second["rejected"] == {}
        assert second["pairs"] == result["pairs"]
        assert (second["fingerprint"] == result["fingerprint"]) is (form in ("parquet", "jsonl"))


class TestInspect:
    @pytest.fixture(scope="class")
    def inspected(self, place: Path, source: dict[str, Any]) -> Done:
        return done("inspect", config_of(place, source), place)

    def test_what_filters_would_reject(self, inspected: Done) -> None:
        result = inspected[1]
        assert result["rejected"] == {"blank": 1, "duplicates": 2, "identical": 1}
        (own,) = result["would_reject"].values()
        assert own["length_ratio"] == own["repetition"] == 1
        assert own["digits"] == 1
        assert {"length", "letters", "script", "wrong_language", "numerals"} <= own.keys()
        assert result["pairs"]["en-de"]["held_out"] == 0

    def test_the_report(self, inspected: Done) -> None:
        job, _ = inspected
        text = (job.folder / "report.html").read_text(encoding="utf-8")
        for words in ("tags of HTML", "entities of HTML", "length_ratio, en-de", "Latin 100.0 %", "12 345 678 9"):
            assert words in text
        assert "&lt;b&gt;bold" in text or "bold" in text
        assert not (job.folder / "rejected").exists()

    def test_not_into_the_folder_of_a_corpus(self, built: Done, place: Path, source: dict[str, Any]) -> None:
        with pytest.raises(UserError, match=r"a corpus was built there; name another output.dir"):
            CorpusJob.of("inspect", config_of(place, source, f"output.dir={built[0].folder}"), place)

    def test_the_filters_of_a_configuration_are_those_that_are_asked(self, place: Path, source: dict[str, Any]) -> None:
        _, result = done("inspect", config_of(place, source, "corpus.filters=[{filter: digits, max: 0.01}]"), place)
        assert result["would_reject"] == {"en-de": {"digits": 1}}
        assert result["rejected"] == {"blank": 1, "identical": 1}

    def test_a_language_that_no_classifier_knows(self, place: Path, capsys: pytest.CaptureFixture) -> None:
        folder = place / "unknown"
        folder.mkdir()
        own = FORMS["tsv"](folder, GOOD).tree() | {"target_lang": "ace"}
        _, result = done("inspect", config_of(place, own), place)
        assert "inspect: without the filter wrong_language: corpus.filters: the model of" in capsys.readouterr().out
        assert "wrong_language" not in result["would_reject"]["en-ace"]
        assert "script" in result["would_reject"]["en-ace"]


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    own = FORMS["tsv"](tmp_path, GOOD)
    home = tmp_path / "home"
    CorpusJob.of("build", config_of(home, own), home).preview()
    said = capsys.readouterr().out
    assert "stage corpus" in said
    assert "stage described" in said
    assert not home.exists()


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("[{filter: lenght}]", r"corpus.filters.0.filter: 'lenght' is none of 'length', "),
        ("[{min: 3}]", r"corpus.filters.0.filter: this key is required: one of length, "),
        (
            "[{filter: length, minimum: 3}]",
            r"corpus.filters.0.minimum: unknown key. Did you mean 'corpus.filters.0.min'",
        ),
        ("[{filter: length, min: 30, max: 3}]", r"corpus.filters.0: min: 30 is more than max, which is 3"),
        ("[{filter: letters, min: 2}]", r"corpus.filters.0.min: input should be less than or equal to 1, but 2 was"),
        (
            "[{filter: length}, {filter: digits, name: length}]",
            r"corpus.filters: 1: a filter before it is called 'length'",
        ),
        (
            "[{filter: evaluation, files: /nowhere/test.en}]",
            r"corpus.filters.files: there is no file '/nowhere/test.en'",
        ),
        ("[{filter: language, model: /nowhere/lid.bin}]", r"corpus.filters.model: there is no file '/nowhere/lid.bin'"),
    ],
)
def test_mistakes_are_sentences(tmp_path: Path, filters: str, said: str) -> None:
    own = FORMS["tsv"](tmp_path, GOOD)
    with pytest.raises(UserError, match=said):
        CorpusJob.of("build", config_of(tmp_path, own, f"corpus.filters={filters}"), tmp_path)


def test_languages_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    own = FORMS["tsv"](tmp_path, GOOD).tree() | {"target_lang": "xyz"}
    for action in ("inspect", "build"):
        with pytest.raises(UserError, match=r"the filter wrong_language does not know the language 'xyz'"):
            CorpusJob.of(action, config_of(tmp_path, own, "corpus.filters=[{filter: language}]"), tmp_path)


def test_nothing_at_all_is_a_sentence(tmp_path: Path) -> None:
    own = FORMS["tsv"](tmp_path, [])
    Path(own.tree()["path"]).write_bytes(b"")
    with pytest.raises(UserError, match=r"en-de corpus is empty after filtering: 0 pairs"):
        CorpusJob.of("inspect", config_of(tmp_path, own), tmp_path).run()


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    own = FORMS["tsv"](tmp_path, GOOD)
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"README.md is there, and not from this job; name another output.dir"):
        CorpusJob.of("build", config_of(tmp_path, own, f"output.dir={folder}"), tmp_path)
    assert (folder / "README.md").read_text(encoding="utf-8") == "mine"
