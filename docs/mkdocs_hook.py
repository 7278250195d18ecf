"""A hook of mkdocs: the site has the pages at their paths in the repository, so that links work there as on GitHub."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BESIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "cluster/README.md",
    "weam_ray/corpus/bundled/LICENSE.md",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take `docs/` and the pages beside it by their paths from the root, and the files of the theme as they are."""
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    documents = [f"docs/{file.src_uri}" for file in files if file.src_dir == config.docs_dir]
    pages = [path for path in (*BESIDE, *documents) if not path.endswith(".py")]
    return Files([*of_theme, *(File(path, str(ROOT), config.site_dir, config.use_directory_urls) for path in pages)])
