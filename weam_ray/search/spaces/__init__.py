"""The spaces that are shipped, a file each; `tune_spaces` beside the package is another name of this folder."""
