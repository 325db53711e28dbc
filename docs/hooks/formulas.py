"""Turns the formulas of a page into MathML while the site is built, so that reading it needs no script and no network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\s*(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])\s*</(?:span|div)>', re.DOTALL
)
THIN = '<mspace width="0.167em"/>'


def mathml(latex: str, display: bool) -> str:
    """Converts a formula, and mends what the converter leaves plain.

    Example:
        >>> mathml("z", display=False)
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline" alttext="z"><mrow><mi>z</mi></mrow></math>'
    """
    latex = " ".join(latex.split())
    named = re.sub(r"\\mathrm\{([A-Za-z]{2,})\}", r"\\operatorname{\1}", latex)
    text = convert(named, display="block" if display else "inline")
    text = text.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # \sim is an operator
    text = re.sub(
        r'<mo stretchy="false">&#x0007C;</mo>', '<mo lspace="0.17em" rspace="0.17em">&#x2223;</mo>', text
    )
    text = re.sub(
        r"<mi>(log|exp|max|min)</mi>(?!<mo stretchy=\"false\">&#x00028;)", rf"<mi>\1</mi>{THIN}", text
    )
    text = re.sub(
        r"<mo>([A-Za-z]{2,})</mo>", r"<mi>\1</mi>", text
    )  # an operator's name has no space before its bracket
    return text.replace("<math ", "<math ", 1).replace(
        f'display="{"block" if display else "inline"}"',
        f'display="{"block" if display else "inline"}" alttext="{html.escape(latex)}"',
        1,
    )


def on_page_content(content: str, **_: object) -> str:
    """Replaces every formula of a page."""
    return FORMULA.sub(lambda m: mathml(html.unescape(m[2]), m[1] == "div"), content)
