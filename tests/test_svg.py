"""Lines of SVG files stand where browsers paint them."""

import gzip

import numpy as np
import pytest

pytest.importorskip("svgelements")

from latente.data.svg import lines_in, painted, read_svgs
from latente.errors import DataError

LINE = '<path d="M0 0L10 10"/>'
SYMBOL = f'<symbol id="s" viewBox="0 0 10 10">{LINE}</symbol>'
BOXES = {  # what is drawn, and its box: left, top, right, bottom
    "rect": ('<rect x="1" y="2" width="20" height="10"/>', (1, 2, 21, 12)),
    "rect turned": ('<rect width="20" height="10" transform="rotate(90)"/>', (-10, 0, 0, 20)),
    "rect about its middle": ('<rect width="20" height="10" transform="rotate(90 10 5)"/>', (5, -5, 15, 15)),
    "rect in a turned group": (
        '<g transform="rotate(90)"><rect width="20" height="10"/></g>',
        (-10, 0, 0, 20),
    ),
    "rect skewed": ('<rect width="20" height="10" transform="skewX(45)"/>', (0, 0, 30, 10)),
    "rect mirrored": ('<rect x="5" width="20" height="10" transform="scale(-1 1)"/>', (-25, 0, -5, 10)),
    "round rect turned": ('<rect width="20" height="10" rx="2" transform="rotate(90)"/>', (-10, 0, 0, 20)),
    "circle": ('<circle cx="50" r="5"/>', (45, -5, 55, 5)),
    "circle turned": ('<circle cx="50" r="5" transform="rotate(90)"/>', (-5, 45, 5, 55)),
    "circle in groups": (
        '<g transform="translate(100)"><g transform="rotate(90)"><circle cx="50" r="5"/></g></g>',
        (95, 45, 105, 55),
    ),
    "circle scaled": ('<circle cx="50" r="5" transform="matrix(2 0 0 1 3 4)"/>', (93, -1, 113, 9)),
    "ellipse turned": ('<ellipse cx="50" rx="8" ry="2" transform="rotate(-90)"/>', (-2, -58, 2, -42)),
    "line turned": ('<line x1="0" y1="0" x2="10" y2="0" transform="rotate(90)"/>', (0, 0, 0, 10)),
    "polygon mirrored": ('<polygon points="0,0 10,0 10,5" transform="scale(1 -1)"/>', (0, -5, 10, 0)),
    "polyline": ('<polyline points="1,1 10,0 10,5"/>', (1, 0, 10, 5)),
    "path turned": ('<path d="M0 0h10v5" transform="rotate(180)"/>', (-10, -5, 0, 0)),
    "use": (f'<defs><g id="a">{LINE}</g></defs><use href="#a" x="5" y="7"/>', (5, 7, 15, 17)),
    "use turned": (
        f'<defs><g id="a">{LINE}</g></defs><use href="#a" x="5" transform="rotate(90)"/>',
        (-10, 5, 0, 15),
    ),
    "use of a circle turned": (
        '<defs><circle id="c" cx="50" r="5"/></defs><use href="#c" transform="rotate(90)"/>',
        (-5, 45, 5, 55),
    ),
    "symbol at a width": (f'{SYMBOL}<use href="#s" width="50" height="50"/>', (0, 0, 50, 50)),
    "symbol at a place": (f'{SYMBOL}<use href="#s" x="20" y="20" width="40" height="40"/>', (20, 20, 60, 60)),
    "symbol without a size": (f'{SYMBOL}<use href="#s"/>', (0, 0, 100, 100)),
    "symbol kept in ratio": (f'{SYMBOL}<use href="#s" width="40" height="20"/>', (10, 0, 30, 20)),
    "symbol stretched": (
        f"{SYMBOL.replace('viewBox', chr(112) + 'reserveAspectRatio=' + chr(34) + 'none' + chr(34) + ' viewBox')}"
        '<use href="#s" width="40" height="20"/>',
        (0, 0, 40, 20),
    ),
    "symbol in a symbol": (
        f'{SYMBOL}<symbol id="t" viewBox="0 0 20 20"><use href="#s" width="10" height="10"/></symbol>'
        '<use href="#t" width="40" height="40"/>',
        (0, 0, 20, 20),
    ),
    "symbol that nobody uses": (f"{SYMBOL}<path d='M1 1L2 2'/>", (1, 1, 2, 2)),
    "xlink": (
        f'{SYMBOL}<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#s" width="50" height="50"/>',
        (0, 0, 50, 50),
    ),
    "nested svg": (
        f'<svg x="10" y="20" width="20" height="20" viewBox="0 0 10 10">{LINE}</svg>',
        (10, 20, 30, 40),
    ),
    "marker": (
        '<marker id="m"><path d="M50 50L90 90"/></marker><path d="M0 0L9 9" marker-end="url(#m)"/>',
        (0, 0, 9, 9),
    ),
    "pattern": ('<pattern id="p"><path d="M50 50L90 90"/></pattern><path d="M0 0L9 9"/>', (0, 0, 9, 9)),
    "clip path": (
        '<clipPath id="p"><rect width="80" height="80"/></clipPath><path d="M0 0L9 9"/>',
        (0, 0, 9, 9),
    ),
    "mask": ('<mask id="p"><rect width="80" height="80"/></mask><path d="M0 0L9 9"/>', (0, 0, 9, 9)),
    "hidden": ('<path visibility="hidden" d="M0 0L90 90"/><path d="M0 0L9 9"/>', (0, 0, 9, 9)),
    "collapsed": ('<path visibility="collapse" d="M0 0L90 90"/><path d="M0 0L9 9"/>', (0, 0, 9, 9)),
    "visible within hidden": (
        '<g visibility="hidden"><path d="M0 0L90 90"/><path visibility="visible" d="M0 0L9 9"/></g>',
        (0, 0, 9, 9),
    ),
    "not displayed": ('<g display="none"><path d="M0 0L90 90"/></g><path d="M0 0L9 9"/>', (0, 0, 9, 9)),
    "not displayed by a class": (
        '<style>.h {display: none}</style><path class="h" d="M0 0L90 90"/><path d="M0 0L9 9"/>',
        (0, 0, 9, 9),
    ),
    "switch": ('<switch><path d="M0 0L9 9"/><path d="M0 0L90 90"/></switch>', (0, 0, 9, 9)),
    "switch of languages": (
        '<switch><path systemLanguage="xx" d="M0 0L90 90"/><path systemLanguage="en" d="M0 0L9 9"/>'
        '<path d="M0 0L80 80"/></switch>',
        (0, 0, 9, 9),
    ),
    "arc": ('<path d="M0 0A10 10 0 0 1 20 0"/>', (0, -10, 20, 0)),
    "arc turned": ('<path d="M0 0A10 10 0 0 1 20 0" transform="rotate(90)"/>', (0, 0, 10, 20)),
    "curve": ('<path d="M0 0C0 10 10 10 10 0"/>', (0, 0, 10, 7.5)),
    "prefix": ('<s:path xmlns:s="http://www.w3.org/2000/svg" d="M0 0L9 9"/>', (0, 0, 9, 9)),
}


def written(tmp_path, content, name="a.svg", head='width="100" height="100" viewBox="0 0 100 100"'):
    path = tmp_path / name
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{content}</svg>', encoding="utf-8")
    return path


def box(lines):
    points = np.concatenate(lines)
    return (*points.min(0), *points.max(0))


@pytest.mark.parametrize("name", BOXES)
def test_lines_stand_where_they_are_painted(tmp_path, name):
    content, expected = BOXES[name]
    assert box(lines_in(written(tmp_path, content))) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(
    ("head", "factor"),
    [
        ('width="200" height="200" viewBox="0 0 100 100"', 2),
        ('viewBox="0 0 100 100"', None),
        ('width="100mm" height="100mm"', None),
    ],
)
def test_the_box_of_a_file_scales_all_shapes_alike(tmp_path, head, factor):
    shapes = [
        '<circle cx="50" cy="20" r="5" transform="rotate(30)"/>',
        '<path d="M45 15L55 25" transform="rotate(30)"/>',
    ]
    circle, line = (box(lines_in(written(tmp_path, shape, head=head))) for shape in shapes)
    middle = [(b[0] + b[2]) / 2 for b in (circle, line)]
    assert middle[0] == pytest.approx(middle[1], rel=1e-3)
    if factor is not None:
        assert circle[2] - circle[0] == pytest.approx(10 * factor, rel=1e-2)


def test_what_is_no_line_is_said(tmp_path):
    written(tmp_path, '<text x="3">hello</text><path d="M0 0L9 9"/>', "a.svg")
    for i in range(11):
        written(tmp_path, f'<path d="M0 0L9 {i}"/>', f"b{i}.svg")
    raw = read_svgs(tmp_path)
    assert raw.note == "1 files hold text or pictures, which are no lines and are left out: a.svg"
    assert raw.rows.column == "file" and raw.rows.names[:2] == ("a.svg", "b0.svg")


def test_packed_and_hostile_files(tmp_path):
    plain = written(tmp_path, LINE)
    (tmp_path / "z.svgz").write_bytes(gzip.compress(plain.read_bytes()))
    assert box(lines_in(tmp_path / "z.svgz")) == pytest.approx((0, 0, 10, 10))
    itself = (
        '<symbol id="s"><use href="#s"/><path d="M0 0L9 9"/></symbol><use href="#s" width="9" height="9"/>'
    )
    assert len(painted(written(tmp_path, itself))[0]) < 10_000
    uses = ["".join(['<use href="#s', str(i - 1), '"/>']) * 30 for i in range(6)]
    wide = "".join(f'<symbol id="s{i}">{uses[i]}{LINE}</symbol>' for i in range(6))
    with pytest.raises(DataError, match="100,000 elements"):
        lines_in(written(tmp_path, wide + '<use href="#s5"/>'))
    with pytest.raises(DataError, match="is no SVG file, or a damaged one"):
        lines_in(written(tmp_path, "<g>" * 50_000 + "</g>" * 50_000))
    (tmp_path / "e.svg").write_text(
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg><text>&a;</text></svg>'
    )
    with pytest.raises(DataError):
        lines_in(tmp_path / "e.svg")
