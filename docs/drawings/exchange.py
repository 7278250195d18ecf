"""Draw the exchange of WEAM: `python docs/drawings/exchange.py` writes exchange.svg beside this file."""

from html import escape
from pathlib import Path

TOKENS = ["[CLS]", "It", "is", "[MASK]", "today", "[SEP]", "Heute", "regnet", "es", "[SEP]"]
MASKED, PARTNER, ANSWER = 3, 7, "raining"
STEP, LEFT, WIDTH, HEIGHT = 86, 62, 900, 400
ANSWERS, STATES, ENCODER, WORDS = 78, 178, 236, 300  # the middle of each row, from the top
INK, GREY, OWN, OTHER = "#263238", "#90a4ae", "#1f77b4", "#e8710a"


def x(position: int) -> int:
    return LEFT + STEP * position


def text(left: float, top: float, words: str, color: str = INK, size: int = 15, weight: str = "normal") -> str:
    return (
        f'<text x="{left:g}" y="{top:g}" fill="{color}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def box(left: float, top: float, width: int, words: str, color: str, fill: str = "#ffffff") -> str:
    frame = (
        f'<rect x="{left - width / 2:g}" y="{top - 17:g}" width="{width}" height="34" rx="6" fill="{fill}" '
        f'stroke="{color}" stroke-width="2"/>'
    )
    return frame + text(left, top + 5, words, color, weight="bold" if color != GREY else "normal")


def path(points: str, color: str, arrow: bool = True, dashes: bool = False) -> str:
    return (
        f'<path d="{points}" fill="none" stroke="{color}" stroke-width="2.5"'
        + (f' marker-end="url(#{"own" if color == OWN else "other"})"' if arrow else "")
        + (' stroke-dasharray="6 5"' if dashes else "")
        + "/>"
    )


def head(name: str, color: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L10 5 L0 10 z" fill="{color}"/></marker>'
    )


def state(position: int) -> str:
    """The circle of the state at a position."""
    color = {MASKED: OWN, PARTNER: OTHER}.get(position, GREY)
    circle = f'<circle cx="{x(position)}" cy="{STATES}" r="17" fill="#ffffff" stroke="{color}" stroke-width="2"/>'
    return circle + text(x(position), STATES + 5, f"R{position + 1}", color, size=13)


def token(position: int) -> str:
    """The box of the token at a position."""
    color = {MASKED: OWN, PARTNER: OTHER}.get(position, GREY if TOKENS[position].startswith("[") else INK)
    return box(x(position), WORDS, 74, TOKENS[position], color, "#e3f2fd" if position == MASKED else "#ffffff")


def drawing() -> str:
    """Return the drawing as the text of an SVG file."""
    positions = range(len(TOKENS))
    middle, other = (x(0) + x(len(TOKENS) - 1)) / 2, x(6) - 10
    link = f"M{x(MASKED)} {WORDS + 19} C{x(MASKED)} {WORDS + 62} {x(PARTNER)} {WORDS + 62} {x(PARTNER)} {WORDS + 19}"
    turn = f"M{x(PARTNER)} {STATES - 18} C{x(PARTNER)} {ANSWERS + 50} {other} {STATES - 20} {other} {ANSWERS + 19}"
    parts = [
        f"<defs>{head('own', OWN)}{head('other', OTHER)}</defs>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        text(x(MASKED) - 30, 28, "multilingual prediction:", OWN, weight="bold"),
        text(x(MASKED) - 30, 47, "from its own state", OWN),
        text(other, 28, "cross-lingual prediction:", OTHER, weight="bold"),
        text(other, 47, "from the state of its translation", OTHER),
        path(f"M{x(MASKED)} {STATES - 18} L{x(MASKED)} {ANSWERS + 19}", OWN),
        path(turn, OTHER),
        box(x(MASKED), ANSWERS, 84, ANSWER, OWN),
        box(other, ANSWERS, 84, ANSWER, OTHER),
        *map(state, positions),
        box(middle, ENCODER, STEP * len(TOKENS) - 10, "one multilingual encoder, one pass over both sentences", INK),
        *map(token, positions),
        path(link, OTHER, arrow=False, dashes=True),
        text((x(MASKED) + x(PARTNER)) / 2, WORDS + 74, "word link, found by the aligner beforehand", OTHER),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="A masked word is predicted from its own '
        'state, and from the state of its translation">\n' + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("exchange.svg").write_text(drawing(), encoding="utf-8", newline="\n")
