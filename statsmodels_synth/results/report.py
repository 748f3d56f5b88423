"""One page that a referee can audit: what was done, from what, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from html import escape
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from os import PathLike
from pathlib import Path
import platform
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import VALIDITY
from statsmodels_synth.core.options import check_flag
from statsmodels_synth.exceptions import OptionError, SynthError
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.results.html import facts, figure, page, paragraphs, table
from statsmodels_synth.results.summary import header, source_frame, summary_notes
from statsmodels_synth.results.text import formula_of, methods_text, version
from statsmodels_synth.results.units import groups_by

#: Libraries that the numbers depend on.
_LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "patsy", "formulaic")


def report(
    results: Any,
    path: str | PathLike[str] | None,
    title: str | None,
    by: Any,
    *,
    show_units: bool,
) -> str:
    """The page, written to `path` if there is one."""
    check_flag("show_units", show_units)  # a text would be taken for True
    if path is not None:
        _check_path(Path(path))  # before the work
    fit = results._fit_to_analyse()
    if by is not None and fit.design.partitions is None:
        _ = groups_by(results.model, by)  # a name that is mistyped is an error at once
    formula = formula_of(results) or results.model.endog_names
    sections = [
        ("Methods paragraph", paragraphs(methods_text(results).split("\n\n"))),
        ("Design", facts([("Formula", str(formula)), *header(results)])),
        *_sources(results),
        ("Estimates", _estimates(results)),
        *_figures(results),
        *_diagnostics(results, by, show_units=show_units),
        ("Notes", paragraphs(summary_notes(results))),
        ("To reproduce it", _reproduce(results)),
        ("The data", _data(results)),
    ]
    if show_units:
        sections.append(("Labelled units", _units(results)))
    text = page(f"Report: {formula}" if title is None else str(title), sections)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _check_path(path: Path) -> None:
    """Raise if no file can be written there."""
    if path.is_dir():
        raise OptionError(f"path={str(path)!r} is a folder. Name a file in it.")
    if not path.absolute().parent.is_dir():
        raise OptionError(
            f"path={str(path)!r}: there is no folder {str(path.parent)!r}. Make it, or "
            "name another."
        )


def _or_reason(make: Callable[[], str]) -> str:
    """What is made, or in words why it cannot be."""
    try:
        return make()
    except (SynthError, ImportError) as error:
        return paragraphs([f"Not available. {error}"])


def _sources(results: Any) -> list[tuple[str, str]]:
    if not results.source_names:
        return [("Sources", paragraphs(["There is none: the labels stand alone."]))]
    known = table(source_frame(results), "What each source is")

    def agreement() -> str:
        found = results.agreement()
        measures = found.table.reset_index().set_index(["source", "variable"])
        return table(measures, "Agreement with people, on labelled units")

    return [("Sources", known), ("Agreement", _or_reason(agreement))]


def _estimates(results: Any) -> str:
    """Augmented, beside labels only and every source taken for real."""
    interval = np.asarray(results.conf_int())
    columns = {
        "estimate": results.params,
        "std err": results.bse,
        "lower": interval[:, 0],
        "upper": interval[:, 1],
        "p-value": results.pvalues,
    }
    if results.source_names:
        alone = results.real_only
        columns |= {
            "labels only": alone.params,
            "std err, labels only": alone.bse,
            "eff. sample": results.effective_nobs,
        }
        for name, row in results.naive_params.iterrows():
            columns[f"{name}, naive"] = row
    names = pd.Index(results.model.param_names, name="coefficient")
    frame = pd.DataFrame({k: np.asarray(v) for k, v in columns.items()}, names)
    return table(frame, "Estimates with 95 % intervals") + paragraphs(
        [
            "Naive: the source taken for real. Eff. sample: how many labels would give "
            "the same standard error without sources."
        ]
    )


def _figures(results: Any) -> list[tuple[str, str]]:
    """Coefficients and, with sources, where the gain comes from."""

    def coefficients() -> str:
        drawn = results.plot_coefficients()
        return figure(drawn, coefficients_alt(results), "Estimates with 95 % intervals")

    found = [("Figure of the estimates", _or_reason(lambda: _closed(coefficients)))]
    if results.source_names:

        def variance() -> str:
            drawn = results.plot_variance()
            return figure(drawn, variance_alt(results), "Variance, part by part")

        where = _or_reason(lambda: _closed(variance))
        found.append(("Where the gain comes from", where))
    return found


def _closed(draw: Callable[[], str]) -> str:
    """Draw, and leave no figure open that was not open before."""
    from statsmodels_synth.core.pyplot import pyplot  # noqa: PLC0415

    plt = pyplot()
    before = set(plt.get_fignums())
    try:
        return draw()
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def coefficients_alt(results: Any) -> str:
    """What the figure of the coefficients shows, in words."""
    parts = []
    interval = np.asarray(results.conf_int())
    alone = np.asarray(results.real_only.params)
    for j, name in enumerate(results.model.param_names):
        text = (
            f"{name}: {np.asarray(results.params)[j]:.3g} (95 % interval "
            f"{interval[j, 0]:.3g} to {interval[j, 1]:.3g})"
        )
        if results.source_names:
            text += f", labels only {alone[j]:.3g}"
            for source, row in results.naive_params.iterrows():
                text += f", {source} taken for real {row.iloc[j]:.3g}"
        parts.append(text)
    return "Points with intervals. " + "; ".join(parts) + "."


def variance_alt(results: Any) -> str:
    """What the figure of the variance shows, in words."""
    frame = results.variance_parts()
    share = 100 * frame.div(frame["labels_only"], axis=0)
    if results.n_clusters is not None:
        parts = [
            f"{name}: {row['labels']:.0f} % left, from which clusters and labels were "
            f"drawn, {row['sources']:.0f} % taken off by the sources"
            for name, row in share.iterrows()
        ]
    else:
        off = ", taken off" * results.settings.is_finite
        parts = [
            f"{name}: {row['labels']:.0f} % from which units were labelled, "
            f"{row['units']:.0f} % from which units were drawn{off}, "
            f"{row['sources']:.0f} % taken off by the sources"
            for name, row in share.iterrows()
        ]
    return "Bars, in per cent of the variance of the labels. " + "; ".join(parts) + "."


def _diagnostics(results: Any, by: Any, *, show_units: bool) -> list[tuple[str, str]]:
    if not results.source_names:
        return []

    def found() -> str:
        checked = results.diagnostics(by, 5 if show_units else 0)
        text = paragraphs(checked.verdict)
        text += table(checked.bias, "Bias of each source taken for real")
        text += table(checked.representativeness, "Do labelled units look like others?")
        text += table(checked.coverage, "Units for which a source is available")
        if by is not None:
            text += table(checked.subgroups, "Errors of the sources by group")
        if show_units:
            text += table(checked.influential, "Units that move a coefficient most")
        return text

    return [("Diagnostics", _or_reason(found))]


def _reproduce(results: Any) -> str:
    """Call and versions."""
    call = results.model.call or "AugmentedGMM(...)  # from arrays"
    scores = ""
    if f"score={(name := type(results.model.target_score).__name__)}(" in call:
        scores = f"from statsmodels_synth.scores import {name}\n"
    code = (
        "import statsmodels.api as sm\nfrom statsmodels_synth import AugmentedGMM\n"
        f"{scores}\n"
        f"model = {call}\nresult = model.{results.call or 'fit()'}\n"
    )
    versions = [("Python", platform.python_version()), ("statsmodels_synth", version())]
    versions += [(name, _version(name)) for name in _LIBRARIES]
    return f"<pre><code>{escape(code)}</code></pre>{facts(versions)}" + paragraphs(
        ["A name such as data stands for a table that was given.", VALIDITY]
    )


def _version(library: str) -> str:
    try:
        return version_of(library)
    except PackageNotFoundError:
        return "not installed"


def _data(results: Any) -> str:
    """Hashes of what was estimated from: equal data have equal ones."""
    design = results._fit_or_raise().design
    rows = [("Labelled rows", len(design.labeled.endog), _hash(design.labeled))]
    if design.partitions is None:
        rows += [(s.name, len(s.endog), _hash(s)) for s in design.sources]
    lines = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{count}</td>'
        f'<td class="text"><code class="hash">{digest}</code></td></tr>'
        for name, count, digest in rows
    )
    head = '<tr><th scope="col"></th><th scope="col">rows</th>'
    head += '<th scope="col">SHA-256</th></tr>'
    return (
        f'<div class="wide"><table><thead>{head}</thead><tbody>{lines}</tbody></table>'
        "</div>"
    ) + paragraphs(
        [
            "Of outcomes and regressors as numbers, in the order of the units, with "
            "weights and offsets. Data that are the same have the same hash."
        ]
    )


def _hash(rows: DesignRows) -> str:
    """SHA-256 of the numbers of some rows, in little-endian double precision."""
    digest = sha256()
    for name in ("endog", "exog", "units", "offset", "weights"):
        value: Any = getattr(rows, name, None)
        digest.update(f"{name}:{np.shape(value)};".encode())
        if value is not None:
            digest.update(np.ascontiguousarray(value, dtype="<f8").tobytes())
    return digest.hexdigest()


def _units(results: Any) -> str:
    """Each labelled unit with its label, where these were asked for."""
    design = results._fit_or_raise().design
    units = results.model.unit_index
    if design.partitions is None:
        units = units[design.labeled_units]
    outcome = str(results.model.endog_names)
    frame = pd.DataFrame({outcome: design.labeled.endog}, pd.Index(units, name="unit"))
    return table(frame)
