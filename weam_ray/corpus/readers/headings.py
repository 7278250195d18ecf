"""Whether the first line of a table is a heading: it is only where both cells are names and nothing else."""

import re

TEXT = {"text", "sentence", "segment", "string", "lang", "language"}
SIDES = {
    *("source", "src", "original", "sentence1", "text1", "sent1"),
    *("target", "tgt", "trg", "translation", "translated", "sentence2", "text2", "sent2"),
}
# what people call a language at the head of a column: in English, in itself, by its codes of three letters
NAMES = {
    "af": "afrikaans afr",
    "ar": "arabic العربية ara arb",
    "bg": "bulgarian български bul",
    "bn": "bengali bangla বাংলা ben",
    "ca": "catalan català cat",
    "cs": "czech čeština česky ces cze",
    "da": "danish dansk dan",
    "de": "german deutsch deu ger",
    "el": "greek ελληνικά ell gre",
    "en": "english eng",
    "es": "spanish español castellano spa",
    "et": "estonian eesti est ekk",
    "eu": "basque euskara eus baq",
    "fa": "persian farsi فارسی fas per pes",
    "fi": "finnish suomi fin",
    "fr": "french français fra fre",
    "ga": "irish gaeilge gle",
    "gl": "galician galego glg",
    "grc": "greek",
    "gu": "gujarati ગુજરાતી guj",
    "he": "hebrew עברית heb",
    "hi": "hindi हिन्दी हिंदी hin",
    "hr": "croatian hrvatski hrv",
    "hu": "hungarian magyar hun",
    "hy": "armenian հայերեն hye arm",
    "id": "indonesian ind",
    "is": "icelandic íslenska isl ice",
    "it": "italian italiano ita",
    "ja": "japanese 日本語 jpn",
    "ka": "georgian ქართული kat geo",
    "kk": "kazakh қазақша kaz",
    "km": "khmer ខ្មែរ khm",
    "ko": "korean 한국어 kor",
    "la": "latin latina lat",
    "lo": "lao ລາວ",
    "lt": "lithuanian lietuvių lit",
    "lv": "latvian latviešu lav lvs",
    "mk": "macedonian македонски mkd mac",
    "ml": "malayalam മലയാളം mal",
    "mr": "marathi मराठी mar",
    "ms": "malay melayu msa may zsm",
    "my": "burmese myanmar မြန်မာ mya bur",
    "nb": "norwegian norsk bokmål nob nor",
    "ne": "nepali नेपाली nep npi",
    "nl": "dutch nederlands nld dut",
    "nn": "norwegian norsk nynorsk nno",
    "no": "norwegian norsk nor",
    "pa": "punjabi panjabi ਪੰਜਾਬੀ pan",
    "pl": "polish polski pol",
    "pt": "portuguese português por",
    "ro": "romanian română ron rum",
    "ru": "russian русский rus",
    "sk": "slovak slovenčina slk slo",
    "sl": "slovene slovenian slovenščina slv",
    "sq": "albanian shqip sqi alb",
    "sr": "serbian српски srpski srp",
    "sv": "swedish svenska swe",
    "sw": "swahili kiswahili swa swh",
    "ta": "tamil தமிழ் tam",
    "te": "telugu తెలుగు tel",
    "th": "thai ไทย tha",
    "tl": "tagalog filipino tgl fil",
    "tr": "turkish türkçe tur",
    "uk": "ukrainian українська ukr",
    "ur": "urdu اردو urd",
    "vi": "vietnamese việt vie",
    "yo": "yoruba yor",
    "zh": "chinese mandarin 中文 汉语 zho chi cmn",
}


def is_heading(cells: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Whether the cells of the two columns of a pair name them, as `source` and `target`, `en` and `text_de` do."""
    return all(names_column(cell, language, SIDES) for cell, language in zip(cells, languages, strict=True))


def is_swapped(cells: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Whether each cell names the language of the other column."""
    return all(names_column(cell, language, set()) for cell, language in zip(cells, languages[::-1], strict=True))


def names_column(cell: str, language: str, sides: set[str]) -> bool:
    """Whether a cell holds a name of a language or of a side, and beside it only words such as `text`."""
    parts = set(re.split(r"[\s_.:()\[\]/-]+", cell.lower())) - {""}
    primary, *subtags = re.split(r"[-_]", language.lower())
    names = sides | {primary, *NAMES.get(primary, "").split()}
    return bool(parts & names) and parts <= names | TEXT | set(subtags)
