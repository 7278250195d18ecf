"""Names of libraries that are not public, so that any release may lack them: how one is asked for.

One module for each library declares its names and does without a name that is missing: `cluster.ray_private`,
`model.transformers_private`, `train.engines.deepspeed_private`. No other module uses a private name of a library.
"""

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any


@dataclass(frozen=True)
class PrivateName:
    """A name of a library that is not public.

    Attributes:
        module: the module that has it.
        name: the name in that module, with dots where it is an attribute of something there.
        without: what happens where the library lacks it, as a sentence for the user.
    """

    module: str
    name: str
    without: str

    def find(self) -> Any | None:
        """What the library has under this name; None where it has nothing, which the user is told once."""
        try:
            return attrgetter(self.name)(import_module(self.module))
        except (ImportError, AttributeError):
            tell_once(f"This version of {self.module.split('.')[0]} has no {self.module}.{self.name}: {self.without}")
            return None


@cache
def tell_once(sentence: str) -> None:
    """Print a sentence on stderr, unless this process has printed it before."""
    print(sentence, file=sys.stderr)
