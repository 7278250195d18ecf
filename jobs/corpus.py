"""The same as `weam-ray corpus`; the checkout is the home."""

from pathlib import Path

from weam_ray.jobs.console import run

if __name__ == "__main__":
    run("corpus", Path(__file__).resolve().parents[1])
