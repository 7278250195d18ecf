"""A fitted model as a folder: the same bytes for the same fit, and links with it on this and other text."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.align_job import TEXT, VERSES, aligned, assert_same_tables, links_lines, pipes, run
from tests.support.texts import read_lines
from weam_ray.align.model_folder import read_manifest
from weam_ray.errors import UserError

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> tuple[Path, dict[str, Any]]:
    """The output of a job on 200 verses, and its result."""
    base = tmp_path_factory.mktemp("fitted")
    text = pipes(base / "text", *read_lines(TEXT)[:200])
    return base / "out", run(base / "home", base / "out", *text)


@pytest.fixture
def model(fitted: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of the model, which a test may damage."""
    return Path(shutil.copytree(fitted[0] / "model", tmp_path / "copied"))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class TestFolder:
    def test_same_bytes_for_two_runs(self, fitted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
        """In two homes, from two copies of the text; and in a home of which all is reused."""
        text = pipes(tmp_path / "elsewhere", *read_lines(TEXT)[:200])
        for out in ("first", "second"):
            run(tmp_path / "home", tmp_path / out, *text)
        expected = contents(fitted[0] / "model")
        assert set(expected) > {"manifest.json", "en-de.words.safetensors"}
        assert contents(tmp_path / "first" / "model") == contents(tmp_path / "second" / "model") == expected

    def test_manifest(self, fitted: tuple[Path, dict[str, Any]]) -> None:
        folder, manifest = read_manifest(str(fitted[0]))
        assert folder == fitted[0] / "model"
        assert read_manifest(str(folder)) == (folder, manifest)
        assert {file["name"] for file in manifest["files"]} == set(contents(folder)) - {"manifest.json"}
        assert [manifest[key] for key in ("aligner", "segmentation", "lowercase")] == [
            "fast_align",
            "whitespace",
            False,
        ]
        assert str(fitted[0].parent) not in (folder / "manifest.json").read_text(encoding="utf-8")


class TestUse:
    def test_text_of_the_fit(self, fitted: tuple[Path, dict[str, Any]], model: Path, tmp_path: Path) -> None:
        """In another home, with a copied model: all is as when it was fitted, and the model is handed on."""
        text = pipes(tmp_path / "text", *read_lines(TEXT)[:200])
        result = run(tmp_path / "home", tmp_path / "out", *text, "--model", model)
        assert (tmp_path / "out" / "links.pharaoh").read_bytes() == (fitted[0] / "links.pharaoh").read_bytes()
        assert_same_tables(aligned(tmp_path / "out"), aligned(fitted[0]))
        assert contents(tmp_path / "out" / "model") == contents(fitted[0] / "model")
        for key in ("tension", "iterations", "model_bytes"):
            assert result[key] == fitted[1][key]

    def test_mapped_from_disk(self, fitted: tuple[Path, dict[str, Any]], model: Path, tmp_path: Path) -> None:
        text = pipes(tmp_path / "text", *read_lines(TEXT)[:200])
        run(tmp_path / "home", tmp_path / "out", *text, "--model", model, "align.memory_limit=0")
        assert_same_tables(aligned(tmp_path / "out"), aligned(fitted[0]))

    def test_other_text(self, fitted: tuple[Path, dict[str, Any]], model: Path, tmp_path: Path) -> None:
        """A known line has the links that it had; words that the model does not know are linked by their places."""
        known = read_lines(TEXT)[:200]
        text = pipes(tmp_path / "text", "xyzzy plugh ||| fnord quux", known[7], "no separator", known[3])
        result = run(tmp_path / "home", tmp_path / "out", *text, "--model", model)
        before = links_lines(fitted[0])
        assert links_lines(tmp_path / "out") == ["0-0 1-1", before[7], "", before[3]]
        assert (result["pairs"], result["rejected"]) == (3, {"blank": 1})

    @pytest.mark.parametrize("spelling", ["link", "dots"])
    def test_over_its_own_results(self, tmp_path: Path, ray_session: None, spelling: str) -> None:
        """The model is neither copied onto itself nor deleted, however its folder is written."""
        text = pipes(tmp_path / "text", *read_lines(TEXT)[:20])
        run(tmp_path / "home", tmp_path / "out", *text)
        before = contents(tmp_path / "out" / "model")
        (tmp_path / "link").symlink_to(tmp_path / "out")
        again = tmp_path / "link" if spelling == "link" else tmp_path / "link" / ".." / "out"
        run(tmp_path / "home", again, *text, "--model", tmp_path / "out" / "model")
        assert contents(tmp_path / "out" / "model") == before


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--lowercase"], r"align\.lowercase=True: .* was fitted with False; set align\.lowercase=false"),
            (["--segmentation", "words"], r"corpus\.segmentation=words: .* fitted with whitespace; set"),
            (["--aligner", "eflomal"], r"align\.aligner=eflomal: .* fitted with fast_align; set"),
            (["--aligner", "pharaoh"], r"align\.aligner=pharaoh: .* fitted with fast_align; set"),
            (["--target-lang", "fr"], "is of en-de, not of en-fr"),
        ],
    )
    def test_other_settings(self, model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
        with pytest.raises(UserError, match=message):
            run(tmp_path / "home", tmp_path / "out", *VERSES, "--model", model, *arguments)
        assert not (tmp_path / "out").exists()

    def test_no_model(self, tmp_path: Path) -> None:
        for name in ("nowhere", "."):
            with pytest.raises(UserError, match=r"align\.model=.*: there is no model; name the folder `model`"):
                run(tmp_path / "home", tmp_path / "out", *VERSES, "--model", tmp_path / name)

    @pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff\xfe"])
    def test_damaged_manifest(self, model: Path, tmp_path: Path, text: bytes) -> None:
        (model / "manifest.json").write_bytes(text)
        with pytest.raises(UserError, match=r"align\.model=.*: there is no model"):
            run(tmp_path / "home", tmp_path / "out", *VERSES, "--model", model)

    def test_other_format(self, model: Path, tmp_path: Path) -> None:
        manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
        (model / "manifest.json").write_text(json.dumps({**manifest, "format_version": 7}), encoding="utf-8")
        with pytest.raises(UserError, match="a model of format 7; this version reads format 1"):
            run(tmp_path / "home", tmp_path / "out", *VERSES, "--model", model)

    @pytest.mark.parametrize("name", ["en-de.words.safetensors", "en-de.00000.safetensors"])
    @pytest.mark.parametrize("missing", [True, False])
    def test_files_not_whole(self, model: Path, tmp_path: Path, name: str, missing: bool) -> None:
        data = (model / name).read_bytes()
        (model / name).unlink()
        if not missing:
            (model / name).write_bytes(data[:-1])
        with pytest.raises(UserError, match=rf"copied/{name}: this file of the model is missing or not whole"):
            run(tmp_path / "home", tmp_path / "out", *VERSES, "--model", model)

    def test_links_that_came_ready_are_no_model(self, tmp_path: Path, ray_session: None) -> None:
        """Those of one text are not taken for those of another."""
        (tmp_path / "given").write_text("0-0\n1-1\n", encoding="utf-8")
        text = pipes(tmp_path / "text", "house ||| haus", "the dog ||| der hund")
        run(tmp_path / "home", tmp_path / "out", *text, "--aligner", "pharaoh", "--links", tmp_path / "given")
        other = pipes(tmp_path / "other", "a b ||| c d", "e f ||| g h")
        with pytest.raises(UserError, match="pharaoh aligns only the text that it is given"):
            run(tmp_path / "home", tmp_path / "again", *other, "--model", tmp_path / "out")
