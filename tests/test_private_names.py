"""Private names of libraries: each is there in the versions of requirements.lock, and stands in one module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import weam_ray
from tests.support.private import take_away
from weam_ray.cluster import ray_private
from weam_ray.model import transformers_private
from weam_ray.private_names import PrivateName
from weam_ray.train.engines import deepspeed_private

PACKAGE = Path(weam_ray.__file__).parent
MODULES = [ray_private, transformers_private, deepspeed_private]
NAMES = [name for module in MODULES for name in vars(module).values() if isinstance(name, PrivateName)]
GONE = PrivateName("json", "decoder.gone", "texts are read more slowly.")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.name)
def test_the_library_has_the_name(name: PrivateName) -> None:
    assert name.find() is not None


def test_a_name_that_is_missing_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    take_away(monkeypatch)
    assert [GONE.find(), GONE.find(), PrivateName("json.gone", "name", "nothing.").find()] == [None, None, None]
    assert capsys.readouterr().err.splitlines() == [
        "This version of json has no json.decoder.gone: texts are read more slowly.",
        "This version of json has no json.gone.name: nothing.",
    ]


def private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_uses(tree: ast.Module) -> Iterator[str]:
    """Private names that a module takes from elsewhere: imported, or attributes of something of another's."""
    nodes = [*ast.walk(tree)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Attribute) and node.attr not in own:
            names = [node.attr]
        elif isinstance(node, ast.ClassDef) and node.bases:  # it overrides them
            names = [method.name for method in node.body if isinstance(method, ast.FunctionDef)]
        elif isinstance(node, ast.ImportFrom):
            path = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            names = ["_generated" if name == "generated" else name for name in path]
        elif isinstance(node, ast.Import):
            names = [name for alias in node.names for name in alias.name.split(".")]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "__internal" in node.value:
            yield node.value
        yield from filter(private, names)


def test_no_other_module_has_private_names_of_libraries() -> None:
    elsewhere = [path for path in PACKAGE.rglob("*.py") if not path.stem.endswith("_private")]
    uses = {path: [*private_uses(ast.parse(path.read_text(encoding="utf-8")))] for path in elsewhere}
    found = {str(path.relative_to(PACKAGE)): names for path, names in uses.items() if names}
    assert found == {}
    text = "".join(path.read_text(encoding="utf-8") for path in elsewhere)
    assert [name.name for name in NAMES if name.name.rpartition(".")[2] in text] == []


@pytest.mark.parametrize(
    "code",
    [
        "from ray._private import state",
        "import ray._private.state",
        "from ray.core.generated import gcs_pb2",
        "model.config._attn_implementation",
        "searcher._ot_study.trials",
        "class Own(Other):\n    def _run(self): ...",
        'NOTHING = {"node:__internal_head__": 1}',
    ],
)
def test_uses_that_are_found(code: str) -> None:
    assert [*private_uses(ast.parse(code))]
