"""A report as one HTML page that needs nothing else: figures within, no script, nothing fetched from another place."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from study.report.document import Document, Picture
from study.report.look import FAINT, INK

GENERATOR = "study report"
LARGEST_SVG = 400_000  # characters, above which a figure stands in the page as PNG
IDENTIFIER = re.compile(r'\bid="([^"]+)"')
REFERENCE = re.compile(r'(xlink:href="#|url\(#)([^")]+)')


def page(document: Document, svgs: Mapping[str, str], pngs: Mapping[str, bytes]) -> str:
    """The page, of figures by name as files hold them."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["tied"] = _tied
    template = environment.from_string((files("study.report") / "page.html").read_text(encoding="utf-8"))
    images = {
        picture.name: Markup(_image(picture, svgs[picture.name], pngs[picture.name])) for picture in document.pictures
    }
    return template.render(document=document, images=images, generator=GENERATOR, kind=_kind)


def _kind(block: object) -> str:
    return type(block).__name__


def _tied(text: str) -> str:
    """Text in which `n = 3` stays on one line."""
    return re.sub(r"\bn = (?=\d)", "n\u00a0=\u00a0", text)


def _image(picture: Picture, svg: str, png: bytes) -> str:
    if len(svg) > LARGEST_SVG:
        data = base64.b64encode(png).decode("ascii")
        return f'<img alt="{escape(picture.title)}" src="data:image/png;base64,{data}">'
    return inline_svg(svg, picture.name, picture.title)


def inline_svg(svg: str, name: str, title: str) -> str:
    """A figure's SVG file as a part of a page: in the page's colours, its ids its own, nothing but the drawing."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
    drawing = re.sub(r"<!--.*?-->\n?", "", drawing, flags=re.DOTALL)
    used = {found for _, found in REFERENCE.findall(drawing)}
    drawing = IDENTIFIER.sub(lambda m: f'id="{name}-{m[1]}"' if m[1] in used else "", drawing)
    drawing = REFERENCE.sub(lambda m: f"{m[1]}{name}-{m[2]}", drawing)
    drawing = drawing.replace("fill: #ffffff", "fill: none", 1)  # the sheet, which the page is
    drawing = drawing.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    return drawing.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
