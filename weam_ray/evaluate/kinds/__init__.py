"""The kinds of tasks, one file each, and the table of them."""

from weam_ray.evaluate.kinds.base import Kind
from weam_ray.evaluate.kinds.choice import Choice
from weam_ray.evaluate.kinds.questions import Questions
from weam_ray.evaluate.kinds.retrieval import Nearest, Retrieval
from weam_ray.evaluate.kinds.sentences import Sentences
from weam_ray.evaluate.kinds.tokens import Tokens

KINDS: dict[str, Kind] = {
    "sentences": Sentences(),
    "choice": Choice(),
    "tokens": Tokens(),
    "questions": Questions(),
    "retrieval": Retrieval(),
    "nearest": Nearest(),
}
