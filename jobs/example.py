"""Write the example files of the tutorial: a language pair from the bundled verses, in the forms that people have."""

from weam_ray import cli
from weam_ray.jobs.example import example

if __name__ == "__main__":
    cli.run(example)
