"""eflomal behind our interface: its links, its seed, what it must not stumble over, and its errors."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from weam_ray.align import eflomal, from_eflomal
from weam_ray.align.eflomal_seed import can_be_seeded
from weam_ray.align.links import Links
from weam_ray.align.protocol import FitJob
from weam_ray.align.symmetrize import symmetrize
from weam_ray.corpus.words import Words
from weam_ray.errors import UserError
from weam_ray.settings.config import load_config

installed = pytest.mark.skipif(
    importlib.util.find_spec("eflomal") is None, reason="eflomal, an optional extra, is not installed"
)

Texts = list[list[str]]


def words_of(texts: Texts) -> Words:
    words = [word for text in texts for word in text]
    offsets = np.cumsum([0, *(len(text) for text in texts)])
    return Words(pa.array(words, pa.string()), offsets, np.zeros((len(words), 2), np.int32))


def swapped_halves(num_pairs: int = 200) -> tuple[Texts, Texts, list[set[tuple[int, int]]]]:
    """Pairs in which word `s7` is always `t7`, the second half of the sentence said first; and their links."""
    random = np.random.default_rng(0)
    sources, targets, links = [], [], []
    for _ in range(num_pairs):
        numbers = random.choice(np.arange(10, 90), size=random.integers(4, 11), replace=False)
        order = np.roll(np.arange(len(numbers)), len(numbers) // 2)
        sources.append([f"s{number}" for number in numbers])
        targets.append([f"t{numbers[i]}" for i in order])
        links.append({(int(i), j) for j, i in enumerate(order)})
    return sources, targets, links


def without_regularity() -> tuple[Texts, Texts]:
    """Pairs whose sides have nothing to do with each other, so that chance decides on their links."""
    sources, targets, _ = swapped_halves(100)
    return sources, targets[1:] + targets[:1]


@pytest.fixture(autouse=True)
def few_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eflomal, "SWEEPS", 1500)


def align(sources: Texts, targets: Texts, *, lowercase: bool = False, seed: int = 1):
    return eflomal.align(words_of(sources), words_of(targets), lowercase, seed)


def same(left: Links, right: Links) -> bool:
    return np.array_equal(left.links, right.links) and np.array_equal(left.offsets, right.offsets)


@installed
def test_finds_the_obvious_links():
    sources, targets, right = swapped_halves()
    forward, reverse, too_long = align(sources, targets)
    found = symmetrize(forward, reverse, "intersect")
    hits = sum(len(right[pair] & set(found.of(pair))) for pair in range(len(right)))
    assert hits / len(found.links) > 0.9
    assert hits / sum(map(len, right)) > 0.8
    assert len(too_long) == 0


@installed
def test_each_direction_has_its_order():
    """Sentences of 2 and 3 words: a partner at most for each of the 3 forward, for each of the 2 in reverse."""
    sources, targets, _ = swapped_halves()
    sources, targets = [text[:2] for text in sources], [text[:3] for text in targets]
    forward, reverse, _ = align(sources, targets)
    for pair in range(len(sources)):
        i, j = zip(*forward.of(pair), strict=True) if forward.of(pair) else ((), ())
        assert list(j) == sorted(set(j))
        assert max(i, default=0) < 2
        i, j = zip(*reverse.of(pair), strict=True) if reverse.of(pair) else ((), ())
        assert list(i) == sorted(set(i))
        assert max(j, default=0) < 3
    assert any(j == 2 for _, j in forward.links)
    assert any(j == 2 for _, j in reverse.links)


@installed
def test_links_depend_on_the_seed_alone():
    sources, targets = without_regularity()
    forward, reverse, _ = align(sources, targets)
    for _ in range(2):
        again = align(sources, targets)
        assert same(again[0], forward)
        assert same(again[1], reverse)
    assert not same(align(sources, targets, seed=2)[0], forward)


@installed
def test_characters_that_other_programs_take_for_blanks_do_not_split_words():
    """Words with such characters have the links of plain words in the same order."""
    sources, targets = without_regularity()
    odd = ["\u00a0", "\u0085", "\u2028", "\x0b", "\x1c", "a b", "\n", "\r\n", "İ", "<NULL>", "-", "\U0001f600", "\0"]
    strange = [[word + odd[int(word[1:]) % len(odd)] + "x" for word in text] for text in sources]
    for plain, links in zip(align(sources, targets)[:2], align(strange, targets)[:2], strict=True):
        assert same(plain, links)


@installed
def test_lowercase_joins_forms():
    sources, targets = without_regularity()
    mixed = [[word.upper() if k % 2 else word for word in text] for k, text in enumerate(sources)]
    plain, joined, apart = (
        align(texts, targets, lowercase=lowercase)[0]
        for texts, lowercase in ((sources, False), (mixed, True), (mixed, False))
    )
    assert same(plain, joined)
    assert not same(plain, apart)


@installed
def test_blank_and_overlong_sentences_get_no_links_and_leave_the_others_theirs(monkeypatch):
    monkeypatch.setattr(eflomal, "SWEEPS", 250)  # the longest pair has a million cells
    sources, targets, right = swapped_halves()
    sources[0], targets[1], sources[2], targets[2] = [], [], [], []
    sources[3] = ["s1"] * (eflomal.MAX_WORDS + 1)
    targets[-1] = ["t1"] * (eflomal.MAX_WORDS + 1)
    numbers = [10 + k % 80 for k in range(eflomal.MAX_WORDS)]
    sources[4], targets[4] = [f"s{k}" for k in numbers], [f"t{k}" for k in numbers]
    forward, reverse, too_long = align(sources, targets)
    assert too_long.tolist() == [3, len(sources) - 1]
    assert len(forward.offsets) == len(reverse.offsets) == len(sources) + 1
    for pair in (0, 1, 2, 3, len(sources) - 1):
        assert forward.of(pair) == reverse.of(pair) == []
    assert min(len(forward.of(4)), len(reverse.of(4))) > 0.8 * eflomal.MAX_WORDS
    found = symmetrize(forward, reverse, "intersect")
    rest = range(5, len(sources) - 1)
    assert sum(len(right[pair] & set(found.of(pair))) for pair in rest) > 0.8 * sum(len(right[pair]) for pair in rest)


def stand_in(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes = b"..\0/dev/urandom\0..",
    version: str = "2.0.0",
) -> Path:
    """An installed package eflomal of a version whose program has this content."""
    path = tmp_path / "eflomal" / "bin" / "eflomal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (tmp_path / "eflomal" / "__init__.py").touch()
    package = tmp_path / f"eflomal-{version}.dist-info" / "METADATA"
    package.parent.mkdir()
    package.write_text(f"Metadata-Version: 2.1\nName: eflomal\nVersion: {version}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return path


Run = Callable[..., subprocess.CompletedProcess]


def ends(code: int, printed: bytes = b"", forward: bytes | None = None, reverse: bytes | None = None) -> Run:
    """A run of the program that leaves these files."""

    def run(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess:
        for name, links in (("forward", forward), ("reverse", reverse)):
            if links is not None:
                (cwd / name).write_bytes(links)
        return subprocess.CompletedProcess(command, code, b"", printed)

    return run


def test_no_pair_to_align_needs_no_run(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path)
    monkeypatch.setattr(eflomal.subprocess, "run", ends(1))
    for texts in ([], [[]], [[], []]):
        forward, reverse, too_long = align(texts, texts)
        assert forward.offsets.tolist() == reverse.offsets.tolist() == [0] * (len(texts) + 1)
        assert len(too_long) == 0


def test_what_the_program_is_given_and_what_it_leaves(monkeypatch, tmp_path):
    """Source b a | (blank) | a c, forms a b c: rows of lengths and numbers; the pair with 1024 words is given blank."""
    stand_in(monkeypatch, tmp_path)
    seen: dict[str, bytes] = {}

    def run(command: list[str], *, cwd: Path, env: dict[str, str], **_: object) -> subprocess.CompletedProcess:
        seen.update({file.name: file.read_bytes() for file in cwd.iterdir()})
        seen["threads"] = env["OMP_NUM_THREADS"].encode()
        return ends(0, forward=b"1-0\n\n0-0 1-1\n\n", reverse=b"\n\n0-1\n\n")(command, cwd=cwd)

    monkeypatch.setattr(eflomal.subprocess, "run", run)
    sources = [["b", "a"], [], ["a", "c"], ["a"]]
    targets = [["x"], ["x"], ["x", "y"], ["y"] * 1024]
    forward, reverse, too_long = align(sources, targets)
    assert seen["source"].split() == b"4 3  2 1 0  0  2 0 2  0".split()
    assert seen["target"].split() == b"4 2  1 0  1 0  2 0 1  0".split()
    assert seen["program"] == b"..\0weamray.seed\0.."
    assert len(seen["weamray.seed"]) == 8
    assert seen["threads"] == b"2,1"
    assert [forward.of(pair) for pair in range(4)] == [[(1, 0)], [], [(0, 0), (1, 1)], []]
    assert [reverse.of(pair) for pair in range(4)] == [[], [], [(0, 1)], []]
    assert too_long.tolist() == [3]


def test_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "eflomal", None)
    with pytest.raises(UserError, match=r"optional extra: pip install 'weam-ray\[eflomal\]'"):
        align([["a"]], [["b"]])


def test_no_program(monkeypatch, tmp_path):
    path = stand_in(monkeypatch, tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=rf"{path} is missing.* C compiler"):
        align([["a"]], [["b"]])


@pytest.mark.parametrize(("content", "version"), [(b"another generator", "2.0.0"), (b"..\0/dev/urandom\0..", "2.1.0")])
def test_a_program_that_is_not_known_runs_as_it_is(monkeypatch, tmp_path, content, version):
    path = stand_in(monkeypatch, tmp_path, content, version)
    seen = []

    def run(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess:
        seen.extend([command[0], {file.name for file in cwd.iterdir()}])
        return ends(0, forward=b"0-0\n", reverse=b"0-0\n")(command, cwd=cwd)

    assert not can_be_seeded(path)
    monkeypatch.setattr(eflomal.subprocess, "run", run)
    forward, _, _ = align([["a"]], [["b"]])
    assert seen == [str(path), {"source", "target"}]
    assert forward.of(0) == [(0, 0)]


@installed
def test_the_program_that_is_installed_can_be_seeded():
    assert can_be_seeded(eflomal.program())


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0"])
def test_links_without_a_seed_are_marked(monkeypatch, tmp_path, capsys, version):
    """In what is kept of the fit, and by a sentence before it."""
    stand_in(monkeypatch, tmp_path, version=version)
    pairs = pa.table({"source": ["a", "a b"], "target": ["x", "x y"]})
    links = Links(np.empty((0, 2), np.int16), np.zeros(3, np.int64))
    monkeypatch.setattr(eflomal, "align", lambda *_: (links, links, np.array([1])))
    monkeypatch.setattr(from_eflomal, "write_links", lambda *_: None)
    monkeypatch.setattr(from_eflomal, "fit_whole", lambda job, _, align: align(job, [SimpleNamespace(rows=2)]))
    config, corpus = load_config("bundled", []), SimpleNamespace(read_parquet=lambda file: pairs)
    job = FitJob(config.align, config.corpus, config.corpus.held_out_seed, corpus, None, 1.0)
    info = from_eflomal.Eflomal().fit(job, ["a-x"]).info
    without = {} if version == "2.0.0" else {"links_without_a_seed": 2}
    assert info["noted"] == {"more_than_1023_words_no_links": 1, **without}
    assert ("another run over the same pairs would find a few others" in capsys.readouterr().out) == bool(without)


def test_a_program_that_cannot_be_run(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path)  # no executable format
    with pytest.raises(UserError, match=r"run its program in .*TMPDIR"):
        align([["a"]], [["b"]])


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (ends(1, b"first\nsentence_read(): failed\n"), r"exit status 1, and last printed 'sentence_read\(\): failed'"),
        (ends(-11), "signal 11"),
        (ends(-4), "another processor"),
        (ends(-9), "was killed, .* memory"),
        (ends(0), "left 0 whole lines of forward links for 1 pairs"),
        (ends(0, forward=b"0-0\n\n", reverse=b"\n"), "left 2 whole lines of forward links for 1 pairs"),
        (ends(0, forward=b"0-0\n", reverse=b"0-0"), "left 0 whole lines of reverse links for 1 pairs"),
        (ends(0, forward=b"0-\n", reverse=b"\n"), "forward links cannot be read: line 1: '0-' is no link"),
    ],
)
def test_a_program_that_fails(monkeypatch, tmp_path, run, message):
    stand_in(monkeypatch, tmp_path)
    monkeypatch.setattr(eflomal.subprocess, "run", run)
    with pytest.raises(UserError, match=message):
        align([["a"]], [["b"]])
