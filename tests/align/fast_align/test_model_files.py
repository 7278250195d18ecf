"""A model in files: nothing is lost, and what is no whole model of this format is refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
from numpy.testing import assert_array_equal

from tests.support.texts import Pairs, align, assert_same_alignments, assert_same_models, fit, stored_bytes
from weam_ray.align.fast_align import fit as fit_module
from weam_ray.align.fast_align.model import Lexicon, Model, Part, map_safetensors
from weam_ray.errors import UserError


def stored(model: Model, folder: Path) -> Model:
    """The model written to files and mapped again."""
    lexicon, *parts = (model.lexicon, *model.parts)
    (folder / "words").write_bytes(stored_bytes(lexicon))
    for number, part in enumerate(parts):
        (folder / f"part{number}").write_bytes(stored_bytes(part))
    mapped = tuple(Part.of(*map_safetensors(folder / f"part{number}")) for number in range(len(parts)))
    return Model(Lexicon.of(*map_safetensors(folder / "words")), mapped)


class TestFiles:
    def test_lossless(self, text: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fit_module, "CELLS_PER_RANGE", 30_000)
        model = fit(text)
        assert len(model.parts) > 1
        loaded = stored(model, tmp_path)
        assert loaded.lexicon.parameters == model.lexicon.parameters
        assert_same_models(loaded, model)
        assert_same_alignments(align(loaded, text), align(model, text))

    def test_words_of_any_script(self, tmp_path: Path) -> None:
        pairs: Pairs = [(["हिन्दी", "\u200d", "a"], ["العَرَبِيَّة", "中", "👩‍💻"])] * 3
        loaded = stored(fit(pairs), tmp_path)
        assert loaded.lexicon.source.to_pylist() == sorted(pairs[0][0])
        assert loaded.lexicon.target.to_pylist() == sorted(pairs[0][1])

    def test_words_of_a_slice(self, model: Model) -> None:
        """An Arrow slice keeps the bytes before it; the file has only its own."""
        lexicon = model.lexicon
        longer = pa.array(["before", *lexicon.source.to_pylist()])
        sliced = Lexicon(longer[1:], lexicon.target, lexicon.forward_null, lexicon.reverse_null, lexicon.parameters)
        assert stored_bytes(sliced) == stored_bytes(lexicon)

    def test_the_library_reads_them(self, model: Model, tmp_path: Path) -> None:
        (tmp_path / "part").write_bytes(stored_bytes(model.parts[0]))
        arrays, values = map_safetensors(tmp_path / "part")
        expected = safetensors.numpy.load_file(tmp_path / "part")
        assert values == {"first_row": 0}
        assert set(arrays) == set(expected) == {"row_offsets", "columns", "table"}
        for name, array in arrays.items():
            assert_array_equal(array, expected[name])
            assert not array.flags.writeable

    def test_part_without_rows(self, tmp_path: Path) -> None:
        empty = Part(7, np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros((0, 2)))
        (tmp_path / "part").write_bytes(stored_bytes(empty))
        loaded = Part.of(*map_safetensors(tmp_path / "part"))
        assert (loaded.first_row, loaded.row_offsets.tolist(), loaded.table.shape) == (7, [0], (0, 2))

    def test_size(self, model: Model) -> None:
        """At most 16 bytes a word pair and direction, all told."""
        num_pairs = sum(len(part.columns) for part in model.parts)
        assert num_pairs > 10_000
        assert sum(len(stored_bytes(part)) for part in model.parts) / num_pairs <= 32

    @pytest.mark.parametrize("kept", [0, 5, 8, 40, 300, -1])
    def test_cut_short(self, model: Model, tmp_path: Path, kept: int) -> None:
        for data in (stored_bytes(model.lexicon), stored_bytes(model.parts[0])):
            (tmp_path / "cut").write_bytes(data[:kept])
            with pytest.raises(UserError, match="cut: not a whole part of a FastAlign model"):
                map_safetensors(tmp_path / "cut")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="none: not a whole part"):
            map_safetensors(tmp_path / "none")

    def test_another_file(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("In the beginning God created the heavens and the earth.\n" * 10)
        safetensors.numpy.save_file({"weight": np.zeros(3)}, tmp_path / "tensors")
        for name in ("text", "tensors"):
            with pytest.raises(UserError, match=f"{name}: not a whole part"):
                map_safetensors(tmp_path / name)

    def test_other_format_is_refused(self, model: Model, tmp_path: Path) -> None:
        data = stored_bytes(model.lexicon)
        length = int.from_bytes(data[:8], "little")
        values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
        assert values["format_version"] == 2
        arrays = safetensors.numpy.load(data)
        safetensors.numpy.save_file(arrays, tmp_path / "words", {"model": json.dumps({**values, "format_version": 1})})
        with pytest.raises(UserError, match="has format 1; this version reads format 2"):
            Lexicon.of(*map_safetensors(tmp_path / "words"))
