"""Codes of languages."""

import pytest

from weam_ray.errors import UserError
from weam_ray.evaluate.languages import ENGLISH, Language, language, languages

# as XTREME's script renames Tatoeba's files, which have codes of three letters
TATOEBA = (
    "afr=af ara=ar bul=bg ben=bn deu=de ell=el spa=es est=et eus=eu pes=fa fin=fi fra=fr heb=he hin=hi hun=hu ind=id "
    "ita=it jpn=ja jav=jv kat=ka kaz=kk kor=ko mal=ml mar=mr nld=nl por=pt rus=ru swh=sw tam=ta tel=te tha=th tgl=tl "
    "tur=tr urd=ur vie=vi cmn=zh eng=en aze=az lit=lt pol=pl ukr=uk ron=ro"
)
XTREME_R = (
    "af ar az bg bn de el en es et eu fa fi fr gu he hi ht hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu ro ru "
    "sw ta te th tl tr uk ur vi wo yo zh"
)


def test_the_table_is_sound() -> None:
    table = languages()
    assert list(table) == sorted(table)
    for code, entry in table.items():
        iso, _, script = entry.nllb.partition("_")
        assert entry.code == code
        assert len(code) in (2, 3)
        assert len(entry.iso) == len(iso) == 3
        assert len(script) == 4
        assert script.istitle()
    assert len({entry.nllb for entry in table.values()} | {"no"}) == len(table)  # nb and no are one language


def test_languages_of_xtreme() -> None:
    assert set(XTREME_R.split()) <= set(languages())
    assert ENGLISH in languages()
    for pair in TATOEBA.split():
        iso, code = pair.split("=")
        assert languages()[code].iso == iso


def test_by_code() -> None:
    assert language("zh") == Language("zh", "cmn", "zho_Hans")
    assert language("zho_Hans") is language("zh")
    assert language("zho_Hant") == Language("zho_Hant", "zho", "zho_Hant")
    assert language("deu") is language("de")
    assert language("ara") is language("arb") is language("ar")
    assert language("nob") is language("nb")
    assert language("ace_Arab") == Language("ace_Arab", "ace", "ace_Arab")


@pytest.mark.parametrize("code", ["dee", "DE", "deu_", "de_Latn", "den_Latin", ""])
def test_unknown_codes(code: str) -> None:
    with pytest.raises(UserError, match=rf"--languages: '{code}' is no language code .* Did you mean '\w+'\?"):
        language(code)
