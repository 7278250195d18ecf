"""The same as `weam-ray study`; the checkout is the home."""

from pathlib import Path

from weam_ray.jobs.console import run

if __name__ == "__main__":
    run("study", Path(__file__).resolve().parents[1])
