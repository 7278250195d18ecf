"""eflomal (Östling and Tiedemann 2016): a Bayesian HMM with fertility, fitted by Gibbs sampling.

It is transductive: it keeps no model, and aligns the pairs that it is fitted on, all of them in one process. So it is
not sharded: the links of a pair depend on all pairs given, and other pairs need another run over everything.

Its program (GPL-3) runs as a process of its own, fed with numbers of words instead of text, so that no character can
split a word. How its links follow from a seed, though it has no option for one, is in `eflomal_seed`.
"""

import importlib.util
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from weam_ray.align.eflomal_seed import can_be_seeded, write_seeded
from weam_ray.align.fast_align.bitext import Side
from weam_ray.align.links import Links
from weam_ray.align.pharaoh import parse_pharaoh
from weam_ray.corpus.words import Words
from weam_ray.errors import UserError

MAX_WORDS = 1023  # of a sentence: eflomal's buffers are of a fixed size
SWEEPS = 5000  # of one pair; their number falls with the square root of the number of pairs, as eflomal has it


def program() -> Path:
    """Find the program of eflomal.

    Raises:
        UserError: the package, or the program in it, is missing.
    """
    package = importlib.util.find_spec("eflomal")
    if package is None or package.origin is None:
        raise UserError("the aligner eflomal is an optional extra: pip install 'weam-ray[eflomal]'")
    path = Path(package.origin).parent / "bin" / "eflomal"
    if not path.is_file():
        raise UserError(
            f"eflomal's program {path} is missing: it is compiled when the package is installed, which needs a C "
            "compiler, make and OpenMP; then: pip install --force-reinstall --no-cache-dir 'eflomal>=2.0,<3'"
        )
    return path


def align(
    source: Words,
    target: Words,
    lowercase: bool,
    seed: int,
) -> tuple[Links, Links, NDArray[np.int64]]:
    """Align pairs: forward links, reverse links, and the numbers of the pairs that have none since a side is too long.

    Forward links are in the order of the target words, at most one each; reverse links in that of the source words.
    A pair with a blank side has no links. The links depend on the seed, if the program can be seeded, and not on the
    number of cores; a program compiled for another processor may round otherwise and give a few other links.

    Args:
        source: one side of all pairs; text s of it and of `target` are pair s.
        target: the other side.
        lowercase: compare words without regard to case.
        seed: not negative.

    Raises:
        UserError: eflomal is not installed, cannot be run, fails, or leaves anything but one line a pair.
    """
    assert len(source.offsets) == len(target.offsets)
    path = program()
    sides = {"source": Side.of(source, lowercase), "target": Side.of(target, lowercase)}
    too_long = np.maximum(source.lengths, target.lengths) > MAX_WORDS
    num_pairs = len(too_long)
    if not np.any((source.lengths > 0) & (target.lengths > 0) & ~too_long):
        return _no_links(num_pairs), _no_links(num_pairs), np.flatnonzero(too_long)
    sweeps = max(2, round(SWEEPS / num_pairs**0.5))
    options = {
        "-m": 3,  # IBM 1, then HMM, then HMM with fertility
        "-1": max(2, sweeps // 4),
        "-2": max(1, sweeps // 4),
        "-3": sweeps,
        "-n": 3,  # independent chains, whose probabilities are averaged
        "-N": 0.2,  # the prior probability that a word has no partner
        "-s": "source",
        "-t": "target",
        "-f": "forward",
        "-r": "reverse",
    }
    with tempfile.TemporaryDirectory(prefix="weam-ray-eflomal-") as name:
        folder = Path(name)
        try:
            if can_be_seeded(path):
                write_seeded(path, folder / "program", seed)
                path = folder / "program"
            for side, numbers in sides.items():
                _write_numbers(folder / side, numbers, ~too_long)
            command = [str(path), "-q", *(str(value) for option in options.items() for value in option)]
            done = subprocess.run(
                command,
                cwd=folder,
                # one thread a direction: the samplers of a direction share its generator, and would race for it
                env=os.environ | {"OMP_NUM_THREADS": "2,1", "OMP_DYNAMIC": "false"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise UserError(
                f"eflomal needs room to write and run its program in {tempfile.gettempdir()}: {error}; "
                "the environment variable TMPDIR names another folder"
            ) from None
        if done.returncode != 0:
            raise UserError(_failure(done.returncode, done.stderr))
        forward, reverse = (_read_links(folder / direction, num_pairs) for direction in ("forward", "reverse"))
    return forward, reverse, np.flatnonzero(too_long)


def _no_links(num_pairs: int) -> Links:
    return Links(np.empty((0, 2), np.int16), np.zeros(num_pairs + 1, np.int64))


def _write_numbers(file: Path, side: Side, kept: NDArray[np.bool_]) -> None:
    """The numbers of sentences and words, then each sentence as its length and words; one that is not kept as blank."""
    lengths = np.where(kept, side.lengths, 0)
    ids = side.ids[np.repeat(kept, side.lengths)]
    numbers = np.insert(ids, np.cumsum(lengths) - lengths, lengths)
    with file.open("wb") as sink:
        sink.write(f"{len(lengths)} {len(side.forms)}\n".encode())
        csv.write_csv(pa.table({"number": numbers}), sink, csv.WriteOptions(include_header=False))


def _read_links(file: Path, num_pairs: int) -> Links:
    lines = file.read_text(encoding="ascii").split("\n") if file.exists() else [""]
    if lines.pop() or len(lines) != num_pairs:
        raise UserError(
            f"eflomal left {len(lines)} whole lines of {file.name} links for {num_pairs} pairs: is there room on the "
            f"disk of {file.parent.parent}? The environment variable TMPDIR names another folder"
        )
    try:
        return parse_pharaoh(lines)
    except ValueError as error:
        raise UserError(f"eflomal's {file.name} links cannot be read: {error}") from None


def _failure(code: int, printed: bytes) -> str:
    if code == -signal.SIGILL:
        return (
            "eflomal's program was compiled for another processor (it ended with SIGILL): "
            "pip install --force-reinstall --no-cache-dir 'eflomal>=2.0,<3'"
        )
    if code == -signal.SIGKILL:
        return "eflomal's program was killed, most likely for want of memory: it holds all pairs at once; give it fewer"
    ending = f"signal {-code}" if code < 0 else f"exit status {code}"
    last = printed.decode(errors="replace").strip().rpartition("\n")[2]
    return f"eflomal's program failed with {ending}, and last printed {last!r}"
