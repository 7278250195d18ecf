"""The benchmark of the aligner runs to the end, and compares with a reference as it says."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.align import links_differ_share
from tests.support.texts import FIXTURES

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(CHECKOUT / "benchmarks" / "align.py")]

# stands for the C++ programs: prints what they printed
REFERENCE = """#!{python}
import gzip, sys
kind = "grow-diag-final-and" if "-c" in sys.argv else "rev" if "-r" in sys.argv else "fwd"
sys.stdout.write(gzip.open(f"{fixtures}/verses-en-de.{{kind}}.gz", "rt", encoding="utf-8").read())
"""


@pytest.mark.slow
@pytest.mark.ray
def test_figures(tmp_path: Path) -> None:
    text, binary, figures = tmp_path / "text", tmp_path / "reference", tmp_path / "figures.json"
    text.write_bytes(gzip.decompress((FIXTURES / "verses-en-de.txt.gz").read_bytes()))
    binary.write_text(REFERENCE.format(python=sys.executable, fixtures=FIXTURES), encoding="utf-8")
    binary.chmod(0o700)
    reference = ["--reference-binary", str(binary), "--reference-symmetrizer", str(binary)]
    subprocess.run([*SCRIPT, "--input", str(text), "--json", str(figures), *reference, "--curve"], check=True)
    found = json.loads(figures.read_text(encoding="utf-8"))
    lines = text.read_text(encoding="utf-8").splitlines()
    assert found["pairs"] == len(lines)
    assert found["words"] == sum(len(line.split(" ")) - 1 for line in lines)
    assert 0 < found["links_differ_share"] < 0.5  # the stand-in's links were fitted on more text
    assert 0 < found["speedup_vs_reference"] == found["speedups"][0]
    # seconds are rounded to hundredths
    assert found["words"] / found["words_per_second"] == pytest.approx(found["work_seconds"][0], abs=0.006)
    assert found["compile_seconds"] > 1
    assert {"start", "load", "corpus", "fit", "decode", "links", "write"} <= found["seconds"].keys()
    assert [entry["pairs"] for entry in found["curve"]] == [30, 90, 300]
    assert all(entry["peak_memory_bytes"] > 0 for entry in found["curve"])


def test_links_differ_share(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("0-0 1-1\n\n2-3\n", encoding="utf-8")
    theirs.write_text("0-0 1-2\n0-0\n2-3\n", encoding="utf-8")
    assert links_differ_share(ours, theirs) == pytest.approx(3 / 4)
    assert links_differ_share(theirs, theirs) == 0


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    absent = subprocess.run(
        [*SCRIPT, "--input", "absent", "--json", str(tmp_path / "x")], capture_output=True, text=True, check=False
    )
    assert (absent.returncode, absent.stderr.strip()) == (2, "error: --input: there is no file 'absent'.")
