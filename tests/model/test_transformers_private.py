"""How an encoder attends, where transformers says so, and where it does not."""

from types import SimpleNamespace

import pytest
from transformers import BertConfig

from tests.support.private import take_away
from weam_ray.model.families import packs
from weam_ray.model.transformers_private import ATTENTION, attention_of


def test_sentences_have_rows_of_their_own_where_it_is_not_known_how_they_attend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = SimpleNamespace(config=BertConfig(attn_implementation="sdpa"))
    assert (attention_of(model.config), packs(model)) == ("sdpa", True)
    take_away(monkeypatch, ATTENTION)
    assert (attention_of(model.config), packs(model)) == (None, False)
