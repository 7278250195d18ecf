"""Sources of several files, by pattern or by list, and sources that stand for several language pairs."""

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tests.support.forms import SOURCES, source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.corpus.readers import num_headings, source_files
from weam_ray.errors import UserError
from weam_ray.settings.config import Config, load_config, make_config


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")


TWO = [Pair("1.1", "a", "b"), Pair("2.1", "c", "d"), Pair("2.2", "e", "f")]


def test_a_pattern_and_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, x2_pipes="c ||| d\ne ||| f\n", x1_pipes="a ||| b\n", other_txt="x ||| y\n")
    (tmp_path / "x3.pipes").mkdir()
    assert read(source_of("pipes", path=str(tmp_path / "x*.pipes"))) == TWO
    monkeypatch.chdir(tmp_path)
    named = source_of("pipes", path=["x1.pipes", "x[2-9].pipes"])
    assert read(named) == TWO
    assert named.path == [f"{tmp_path}/x1.pipes", f"{tmp_path}/x[2-9].pipes"]
    assert [pair.source for pair in read(source_of("pipes", path=["x2.pipes", "x1.pipes"]))] == ["c", "e", "a"]
    (text,) = SOURCES.validate_python([{"format": "text", "language": "en", "path": "*.txt"}])
    assert source_files(text) == [tmp_path / "other.txt"]


def test_signs_of_a_pattern_in_a_name(tmp_path: Path) -> None:
    write(tmp_path, **{"a[1]": "a ||| b\n", "a1": "c ||| d\n"})
    assert read(source_of("pipes", path=str(tmp_path / "a[1]"))) == [Pair("1", "a", "b")]


def test_nothing_of_a_pattern(tmp_path: Path) -> None:
    source = source_of("pipes", path=str(tmp_path / "x*"))
    assert refusal(source) == f"corpus.sources.path: there is no file of the pattern '{tmp_path}/x*'."
    listed = source_of("pipes", path=[str(tmp_path / "no")])
    assert refusal(listed) == f"corpus.sources.path: there is no file '{tmp_path}/no'."


def test_headings_of_several_tables(tmp_path: Path) -> None:
    write(tmp_path, a_tsv="en\tde\na\tb\n", b_tsv="c\td\n", c_tsv="en\tde\ne\tf\n")
    source = source_of("tsv", path=str(tmp_path / "*.tsv"))
    assert read(source) == [Pair("1.2", "a", "b"), Pair("2.1", "c", "d"), Pair("3.2", "e", "f")]
    assert num_headings(source) == 2


def test_moses_in_several_files(tmp_path: Path) -> None:
    write(tmp_path, x1_en="a\n", x1_de="b\n", x2_en="c\ne\n", x2_de="d\nf\n")
    source = source_of("moses", source=str(tmp_path / "x*.en"), target=str(tmp_path / "x*.de"))
    assert read(source) == TWO
    fewer = source_of("moses", source=str(tmp_path / "x*.en"), target=str(tmp_path / "x1.de"))
    assert "corpus.sources: source names 2 files and target 1 (" in refusal(fewer)


def test_a_column_that_one_of_many_lacks(tmp_path: Path) -> None:
    """It is found before the others are read."""
    for number, name in enumerate(("target", "target", "translation", "target")):
        pq.write_table(pa.table({"source": ["a"], name: ["b"]}), tmp_path / f"part-{number}.parquet")
    source = source_of("parquet", path=str(tmp_path / "part-*.parquet"))
    assert refusal(source) == f"{tmp_path}/part-2.parquet: no column 'target'; there are source, translation."
    (tmp_path / "part-2.parquet").write_bytes(b"PAR1")
    assert refusal(source).startswith(f"{tmp_path}/part-2.parquet: not a Parquet file (")


@pytest.mark.parametrize("path", [5, [], [5], {"a": "b"}, None])
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(UserError) as caught:
        make_config(
            {"corpus": {"sources": [{"format": "pipes", "source_lang": "en", "target_lang": "de", "path": path}]}}
        )
    assert str(caught.value) == f"corpus.sources.0.path: a path or a list of paths is expected, but {path!r} was given."


class TestMultiway:
    FILES: ClassVar[dict[str, str]] = {"en": "a.en", "de": "a.de", "fr": "a.fr"}

    def pairs(self, **settings: Any) -> list[str]:
        return [source.language_pair for source in SOURCES.validate_python([{"format": "multiway", **settings}])]

    def test_pairs(self) -> None:
        assert self.pairs(files=self.FILES) == ["en-de", "en-fr", "de-fr"]
        assert self.pairs(files=self.FILES, pivot="de") == ["de-en", "de-fr"]

    def test_it_stands_for_moses(self, tmp_path: Path) -> None:
        write(tmp_path, a_en="a\n", a_de="b\n", a_fr="c\n")
        more = {"format": "bundled", "source_lang": "en", "target_lang": "tl"}
        files = {code: f"{{data_root}}/{name}" for code, name in self.FILES.items()}
        tree = {
            "data_root": str(tmp_path),
            "corpus": {"sources": [{"format": "multiway", "files": files, "pivot": "en"}, more]},
        }
        config = make_config(tree)
        first, second, third = config.corpus.sources
        assert [pair[1:3] for source in (first, second) for pair in read(source)] == [("a", "b"), ("a", "c")]
        moses = {"format": "moses", "source_lang": "en", "source": str(tmp_path / "a.en")}
        written = [{**moses, "target_lang": code, "target": str(tmp_path / f"a.{code}")} for code in ("de", "fr")]
        assert config.corpus == make_config({"corpus": {"sources": [*written, more]}}).corpus
        assert third.language_pair == "en-tl"

    def test_it_is_written_as_what_it_stands_for(self, tmp_path: Path) -> None:
        config = Config.model_validate({"corpus": {"sources": [{"format": "multiway", "files": self.FILES}]}})
        file = tmp_path / "config.yaml"
        file.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(str(file)) == config

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"files": {"en": "a"}}, "corpus.sources.0.files: "),
            (
                {"files": FILES, "pivot": "es"},
                "corpus.sources.0: pivot 'es' has no file; the languages are en, de, fr.",
            ),
            ({"fils": FILES}, "corpus.sources.0.fils: unknown key. Did you mean 'corpus.sources.0.files'?"),
            (
                {"files": {"en": "a", "x y": "b"}},
                "corpus.sources.0: files: 'x y' is no code of a language, such as en or",
            ),
            ({"files": {"en": "a", "de": 5}}, "corpus.sources.0.files.de: a path or a list of paths is expected"),
            ({}, "corpus.sources.0.files: this key is required."),
        ],
    )
    def test_mistakes(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError) as caught:
            make_config({"corpus": {"sources": [{"format": "multiway", **settings}]}})
        assert message in str(caught.value)
        with pytest.raises(ValidationError):
            Config.model_validate({"corpus": {"sources": [{"format": "multiway", **settings}]}})
