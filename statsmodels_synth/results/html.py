"""Parts of a page that needs no other file: tables, figures, sections."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
import io
from typing import Any

import numpy as np
import pandas as pd

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; }
caption { text-align: left; padding: .3rem 0; font-style: italic; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8886;
  white-space: nowrap; }
tbody th, thead th:first-child, td.text { text-align: left; }
td.text { white-space: normal; }
img { max-width: 100%; height: auto; background: white; }
figure { margin: 1rem 0; } figcaption { font-style: italic; }
pre, code { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid #8886; border-radius: .3rem; }
code.hash { overflow-wrap: anywhere; white-space: normal; }
"""


def cell(value: Any) -> str:
    """A value as a cell: four significant digits, a dash where it is missing."""
    if isinstance(value, (bool, np.bool_)):
        return "<td>yes</td>" if value else "<td>no</td>"
    if isinstance(value, (int, np.integer)):
        return f"<td>{value}</td>"
    if isinstance(value, (float, np.floating)):
        return "<td>&ndash;</td>" if np.isnan(value) else f"<td>{value:.4g}</td>"
    return f'<td class="text">{escape(str(value))}</td>'


def table(frame: pd.DataFrame, caption: str = "") -> str:
    """A data frame as a table; each level of its index is a column of row headers."""
    names = [str(name or "") for name in frame.index.names]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    heads += "".join(f'<th scope="col">{escape(str(c))}</th>' for c in frame.columns)
    rows = []
    for key, values in zip(frame.index, frame.to_numpy(dtype=object), strict=True):
        levels = key if isinstance(key, tuple) else (key,)
        stubs = "".join(f'<th scope="row">{escape(str(k))}</th>' for k in levels)
        rows.append(f"<tr>{stubs}{''.join(map(cell, values))}</tr>")
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{title}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td class="text">{escape(value)}</td></tr>'
        for name, value in pairs
    )
    return f'<div class="wide"><table><tbody>{rows}</tbody></table></div>'


def paragraphs(texts: Iterable[str]) -> str:
    """Each text as a paragraph."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def figure(drawn: Any, alt: str, caption: str) -> str:
    """A figure of matplotlib inside the page, with words for who does not see it."""
    buffer = io.BytesIO()
    # Neither the time nor random names: the same fit gives the same page.
    import matplotlib as mpl  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "statsmodels_synth"}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """The page: a heading and its content, one section after the other."""
    body = "".join(
        f"<section><h2>{escape(head)}</h2>{content}</section>"
        for head, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )
