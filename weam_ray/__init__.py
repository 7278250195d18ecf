"""Cross-lingual alignment pre-training on Ray."""

from weam_ray.user import settle

__version__ = "0.1.0"

settle()  # before numba is imported, which looks for a place for what it compiles
