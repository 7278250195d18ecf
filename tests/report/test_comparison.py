"""What is printed, written and drawn of a comparison: no figure without its spread, no claim without its ground."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weam_ray.evaluate.compare import EXAMPLES, SEEDS, Comparison, System, SystemPair, TaskComparison
from weam_ray.evaluate.statistics import Examples, compare_languages, summary
from weam_ray.evaluate.units import CHECKPOINTS
from weam_ray.report.comparison import (
    comparison_plot,
    markdown,
    print_comparison,
    probability,
    spread,
    task_notes,
    write_markdown,
)

SCORES = {
    "en": ([80, 81, 82], [80, 82, 81]),
    "de": ([60, 61, 60], [70, 71, 69]),
    "sw": ([40, 41, 42], [41, 42, 43]),
    "ur": ([40, 41, 42], [40, 41, 42]),
}


def examples(scores: list[int]) -> Examples:
    found = np.array([np.arange(100) < score for score in scores]).astype(float)
    return Examples(found, np.ones(found.shape))


def task(name: str = "xnli", num_seeds: int = 3, trained: bool = True, unlike: tuple[str, ...] = ()) -> TaskComparison:
    by_examples = not trained and num_seeds == 1
    both = {code: tuple(examples(each[:num_seeds]) for each in scores) for code, scores in SCORES.items()}
    languages = compare_languages(
        list(both), lambda code: (both[code][0], both[code][1]), by_examples, num_resamples=200
    )
    decided_by = EXAMPLES if by_examples else SEEDS
    return TaskComparison(
        name, "accuracy", False, trained, "seeds by number: 1, 2, 3", CHECKPOINTS, decided_by, unlike, languages
    )


def pair_of(*tasks: TaskComparison, second: str = "weam") -> SystemPair:
    return SystemPair(System("mbert", "a"), System(second, "b"), tasks, ("pawsx: only in a",))


def test_figures_with_their_spread() -> None:
    assert spread(summary([60.0, 62.0]), "one seed") == "61.0 ± 1.4"
    assert spread(summary([61.25]), "one seed") == "61.2 (one seed)"
    assert [probability(p) for p in (0.0004, 0.001, 0.0625, 1.0)] == ["< 0.001", "0.001", "0.062", "1.000"]


def test_markdown_by_seeds() -> None:
    text = markdown(Comparison((pair_of(task()),)))
    assert "## xnli, accuracy in %, higher is better: weam against mbert" in text
    assert "| language | mbert | weam | weam - mbert | d_z | p | p, Holm | test set only | verdict |" in text
    german = re.search(r"^\| de \| (.*) \|$", text, re.M)
    assert german is not None
    cells = german[1].split(" | ")
    assert cells[:2] == ["60.3 ± 0.6", "70.0 ± 1.0"]
    assert cells[2:6] == ["+9.7 [+8.2, +11.1]", "16.7", "0.001", "0.005"]
    assert cells[-1] == "different"
    assert re.search(
        r"^\| sw \| .* \| \+1.0 \(no spread\) \| - \| 0.250 \| 0.750 \| .* \| not shown to differ \|$", text, re.M
    )
    assert re.search(r"^\| ur \| .* \| identical \|$", text, re.M)
    assert re.search(r"^\| average without en \| .* \| < 0.001 \| < 0.001 \| .* \| different \|$", text, re.M)
    for note in (
        "- Claim: two checkpoints, not two methods.",
        "- Paired: seeds by number: 1, 2, 3.",
        "- p is of the paired t test over 3 pairs of values; the test set is taken as given.",
        "- Called different where p is below 0.05 by Holm over the languages of this task (4). The",
        "- With 3 seeds an exact sign-flip test reaches no p below 0.25;",
        "sampling error of the test set only",
        "- sw: every seed differs by the same amount",
        "- Cross-lingual gap, English minus the mean of the others: mbert 33.6 ± ",
        "- Worst language: mbert sw 41.0 ± 1.0, weam ur 41.0 ± 1.0.",
        "- Left out: pawsx: only in a.",
    ):
        assert note in text


def test_systems_that_are_not_alike() -> None:
    pair = pair_of(task(unlike=("recipe.epochs: 1 and 5", "threads: 1 and 2")))
    text = markdown(Comparison((pair,)))
    assert "higher is better: weam against mbert; NOT ALIKE in recipe.epochs, threads" in text
    assert "- NOT ALIKE: beside the encoder they differ in recipe.epochs: 1 and 5; threads: 1 and 2. A diff" in text
    assert "NOT ALIKE" not in markdown(Comparison((pair_of(task()),)))


def test_one_seed_and_one_model() -> None:
    text = markdown(Comparison((pair_of(task(num_seeds=1)),)))
    assert "| de | 60.0 (one seed) | 70.0 (one seed) | +10.0 (one seed) | - | - | - | [" in text
    assert "- One seed: no claim." in text
    assert "Called different" not in text
    text = markdown(Comparison((pair_of(task("tatoeba", 1, trained=False)),)))
    assert "| de | 60.0 (one model) | 70.0 (one model) | +10.0 (one model) | - | 0.005 | 0.020 | [" in text
    assert "| different on this test set |" in text
    assert "- Seed spread: none. p is of the bootstrap over examples: sampling error of the test set only." in text


def test_every_score_has_its_spread() -> None:
    """A figure with one decimal is followed by its spread, or by why there is none, or is itself a spread or d_z."""
    for each in (task(), task(num_seeds=1), task("tatoeba", 1, trained=False)):
        lines = markdown(Comparison((pair_of(each),))).splitlines()
        figures = [(line, figure) for line in lines for figure in re.finditer(r"\d+\.\d(?!\d)", line)]
        assert len(figures) > 20
        for line, figure in figures:
            before, after = line[: figure.start()], line[figure.end() :]
            of_another = re.search(r"(± |\] \| -?|\[[+-]|\[[+-][\d.]+, [+-])$", before)
            assert of_another or re.match(r" (± \d|\(one seed\)|\(one model\)|\(no spread\)|\[)", after), line


def test_a_difference_within_the_error_of_the_test_set_says_so() -> None:
    one = task()
    german = one.languages.rows[1]
    wide = replace(german, examples=replace(german.examples, interval=(-1.0, 20.0)))
    changed = replace(one, languages=replace(one.languages, rows=(wide,)))
    text = markdown(Comparison((pair_of(changed),)))
    assert "| different, within the sampling error of the test set |" in text


def test_smallest_p_is_told_where_it_is_above_the_level() -> None:
    one = task()
    for count, told in ((2, True), (5, True), (6, False)):
        row = one.languages.rows[0]
        seeds = replace(row.seeds, num_seeds=count, smallest_p=2 / 2**count)
        languages = replace(one.languages, rows=(replace(row, seeds=seeds),))
        notes = task_notes(pair_of(one), replace(one, languages=languages))
        assert any("sign-flip test reaches" in note for note in notes) == told


def test_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "180")
    print_comparison(Comparison((pair_of(task(), second="weam [bold]"),)))
    text = capsys.readouterr().out
    assert "weam [bold] - mbert" in text
    assert "60.3 ± 0.6" in text
    assert "[+8.2, +11.1]" in text
    assert "Claim: two checkpoints, not two methods." in text
    assert "Left out: pawsx: only in a." in text


def test_files(tmp_path: Path) -> None:
    one, three = task(), task("tatoeba", 1, trained=False)
    of_two = Comparison((pair_of(one, three),))
    of_three = Comparison((pair_of(one, three), pair_of(one, second="tlm | $x_")))
    file = write_markdown(of_three, tmp_path / "comparison.md")
    assert file.read_text(encoding="utf-8") == markdown(of_three)
    assert r"tlm \| $x_" in markdown(of_three)
    for number, each in enumerate((of_two, of_three)):
        picture = comparison_plot(each, tmp_path / f"{number}.png")
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_language_by_itself_is_drawn(tmp_path: Path) -> None:
    one = task()
    english = replace(one.languages, rows=one.languages.rows[:1], average=None, gap=None)
    comparison = Comparison((pair_of(replace(one, languages=english)),))
    assert comparison_plot(comparison, tmp_path / "en.png").is_file()
    assert "average" not in markdown(comparison).split("Claim")[0]


def test_a_figure_that_is_not_above_the_majority_class_is_marked() -> None:
    """In a language, and in the average of all but English; error rates have no such class."""
    floors = {"en": (90.0, 70.0), "de": (None, 70.0), "sw": (41.0, 40.0), "ur": (30.0, 70.0)}
    own = replace(task(), majority=floors)
    rows = [line for line in markdown(Comparison((pair_of(own),))).splitlines() if line.startswith("| ")]
    found = {row.split(" | ")[0].strip("| "): row.count("†") for row in rows[2:]}
    assert found == {"en": 1, "de": 1, "sw": 1, "ur": 1, "average without en": 1}
    assert "†: not above the majority class of the training data, or chance." in task_notes(pair_of(own), own)
    errors = replace(own, lower_is_better=True)
    assert "†" not in markdown(Comparison((pair_of(errors),)))
    assert "†" not in markdown(Comparison((pair_of(task()),)))
