"""Tables and the picture of a result."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from weam_ray.report.run_figures import run_figures
from weam_ray.report.run_picture import run_plot, smoothed
from weam_ray.report.run_tables import interval_line, prediction_line, print_result, result_table


def scores(value: float) -> dict[str, float]:
    return {"to_english": value, "from_english": value / 2, "to_english_uncentred": value / 4}


def result() -> dict[str, Any]:
    loss = {"multilingual_loss": 5.0, "cross_lingual_loss": 4.0, "unigram_entropy": 6.0, "masked_tokens": 1234.0}
    return {
        "steps": 3,
        "retrieval": {
            "before": {"de": scores(0.04), "ru": scores(0.02)},
            "after": {"de": scores(0.5), "ru": scores(0.3)},
        },
        "loss": {"before": {**loss, "cross_lingual_loss": 7.5}, "after": loss},
        "sentences": {"before": {"de": alone(0.01)}, "after": {"de": alone(0.23)}},
        "tokens_per_second": 1000.0,
        "seconds": 12.0,
        "seconds_by_phase": {"stages": 2.0, "training": 10.0},
    }


def alone(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "unigram_accuracy": 0.06, "loss": 5.0, "unigram_entropy": 5.8, "masked_tokens": 9.0}


def shown(table: Any) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_one_table_shows_before_and_after_and_the_mean() -> None:
    rows = [line.split("│")[1:-1] for line in shown(result_table(result())).splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["de", "4.0 > 50.0", "2.0 > 25.0", "1.0 > 23.0", "5.00 > 5.00"],
        ["ru", "2.0 > 30.0", "1.0 > 15.0", "", ""],
        ["mean", "3.0 > 40.0", "1.5 > 20.0", "", ""],
    ]


def test_sentences_alone_make_a_table_too() -> None:
    nothing: dict[str, Any] = {"before": {}, "after": {}}
    text = shown(result_table({**result(), "retrieval": nothing}))
    assert "1.0 > 23.0" in text
    assert "to english" not in text


def test_the_losses_on_pairs_are_a_line() -> None:
    assert prediction_line(result()) == (
        "Prediction of 1,234 masked tokens of pairs, nats a token: cross-lingual 7.500 > 4.000, "
        "multilingual 5.000 > 5.000 (unigram entropy 6.000)"
    )


def test_the_intervals_are_a_line(capsys: Any) -> None:
    """Of what the table has as one number for all languages."""
    retrieval = {"de": {}, "mean": {"to_english": [0.381, 0.42], "to_english_uncentred": [0.1, 0.2]}}
    intervals = {"before": {}, "after": {"retrieval": retrieval, "loss": {"multilingual_loss": [4.9, 5.1]}}}
    found = {**result(), "intervals": intervals, "held_out": {"level": 0.95}}
    assert interval_line(found) == (
        "95 % intervals over sentences, of one seed: mean to english 38.1 to 42.0, multilingual loss 4.900 to 5.100"
    )
    print_result(found)
    assert "mean to english 38.1 to 42.0" in " ".join(capsys.readouterr().out.split())
    assert interval_line(result()) == ""  # of an earlier version


def test_without_held_out_pairs_it_says_so(capsys: Any) -> None:
    print_result({**result(), **{part: {"before": {}, "after": {}} for part in ("retrieval", "loss", "sentences")}})
    assert "Nothing was held out" in capsys.readouterr().out


def test_the_picture_of_a_run(tmp_path: Path) -> None:
    steps = [{"step": n, "multilingual_loss": 9.0 / n, "cross_lingual_loss": 8.0 / n} for n in range(1, 60)]
    full = run_plot(steps, result(), "a run", tmp_path / "full.png")
    tlm = run_plot([{"step": 1, "multilingual_loss": 9.0}], result(), "one step of TLM", tmp_path / "tlm.png")
    empty = {**result(), "retrieval": {"before": {}, "after": {}}, "loss": {"before": {}, "after": {}}}
    bare = run_plot(steps, empty, "nothing measured", tmp_path / "bare.png")
    for file in (full, tlm, bare):
        assert file.read_bytes().startswith(b"\x89PNG")
    assert full.stat().st_size > tlm.stat().st_size


def test_smoothing_keeps_a_constant_and_the_length() -> None:
    np.testing.assert_allclose(smoothed(np.full(200, 3.0)), 3.0)
    assert len(smoothed(np.arange(7.0))) == 7


def test_figures_of_the_steps() -> None:
    step = {"seconds": 2.0, "tokens": 100, "padding_share": 0.1, "waited": 0.5, "lost_tokens": 1, "lost_links": 0}
    scores = {"before": {"loss": 9.0}, "after": {"loss": 5.0}, "notes": ["a note"], "unknown_tokens": {"de": 0.0}}
    figures = run_figures([step, {**step, "tokens": 300, "padding_share": 0.3}], scores)
    assert figures["loss"] == {"before": 9.0, "after": 5.0}
    assert (figures["steps"], figures["tokens_per_second"], figures["training_step_seconds"]) == (2, 100.0, 4.0)
    assert (figures["padding_share"], figures["data_wait_share"], figures["lost_tokens"]) == (0.2, 0.25, 2)
