"""Many variants of one source: what each says alone, and beside the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, muted, suggest
from statsmodels_synth.core.options import methods_name_keywords
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.pyplot import BLACK, BLUE, RED, pyplot
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import tidy_frame
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
    SynthError,
    SynthWarning,
)
from statsmodels_synth.gmm.fit import Fit, fit_design
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.problem.design import AlignedDesign, as_replicates

#: Name of the line of all variants, as replicates of one source.
TOGETHER = "all together"
_NAIVE = ["naive", "naive_std_err", "naive_lower", "naive_upper", "naive_pvalue"]
_OWN = ["augmented", "std_err", "lower", "upper", "pvalue"]


@methods_name_keywords
@dataclass(frozen=True)
class Multiverse:
    """
    Estimates by variant of the source, made by ``model.multiverse()``.

    Holds tables only: it needs no data, and names no unit.

    Parameters
    ----------
    table : DataFrame
        One row per coefficient and variant (the index). The estimate of the variant as
        if it were real: `naive`, `naive_std_err`, `naive_lower`, `naive_upper`,
        `naive_pvalue`. That of the labels with the variant beside them: `augmented`,
        `std_err`, `lower`, `upper`, `pvalue`.
    together : DataFrame
        The same by coefficient, all variants as replicates of one source.
    labels_only : DataFrame
        The last five columns by coefficient, without any source.
    n_labeled, n_units : int
        Labelled units n and all units T.
    alpha : float
        One minus the level of intervals and tests.
    left_out : dict
        From a variant that could not be used to the reason.
    constant : str or None
        Name of the constant.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> found = study_model(make_study()).multiverse()
    >>> found.shares().loc["age", "positive"].tolist()
    [0.0, 0.5]
    """

    table: pd.DataFrame
    together: pd.DataFrame
    labels_only: pd.DataFrame
    n_labeled: int
    n_units: int
    alpha: float
    left_out: dict[str, str]
    constant: str | None

    @property
    def variants(self) -> list[str]:
        """Names of the variants that were used."""
        return [str(name) for name in self.table.index.unique("variant")]

    def _of(self, coefficient: Any) -> pd.DataFrame:
        """Variants of one coefficient."""
        return pd.DataFrame(self.table.xs(coefficient, level="coefficient"))

    def shares(self) -> pd.DataFrame:
        """
        Share of variants with a significant result of each sign.

        Returns
        -------
        DataFrame
            One row per coefficient and kind of `estimate` (the index; "naive" and
            "augmented"): shares `negative`, `none` and `positive`, the `smallest`
            and `largest` estimate, and the number of `variants`.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).multiverse()
        >>> found.shares().loc["age"].iloc[:, :3]
                   negative  none  positive
        estimate
        naive           0.0   1.0       0.0
        augmented       0.0   0.5       0.5
        """
        rows = {}
        for name in self.table.index.unique("coefficient"):
            part = self._of(name)
            for kind, pvalue in (("naive", "naive_pvalue"), ("augmented", "pvalue")):
                hit, value = part[pvalue] < self.alpha, part[kind]
                below, above = (hit & (value < 0)).mean(), (hit & (value > 0)).mean()
                found = (below, 1.0 - below - above, above, value.min(), value.max())
                rows[name, kind] = (*found, len(part))
        columns = ["negative", "none", "positive", "smallest", "largest", "variants"]
        index = pd.MultiIndex.from_tuples(rows, names=["coefficient", "estimate"])
        return pd.DataFrame(list(rows.values()), index, columns)

    def tidy(self) -> pd.DataFrame:
        """
        Estimates as a plain frame, to join, filter and plot.

        Returns
        -------
        DataFrame
            One row per coefficient, variant and method: `term`, `estimate`,
            `std_error`, `statistic`, `p_value`, `conf_low`, `conf_high`, `variant`
            (also "all together") and `method` ("naive" or "augmented").

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).multiverse()
        >>> found.tidy().shape
        (24, 9)
        """
        frames = []
        both = self.together.assign(variant=TOGETHER).set_index("variant", append=True)
        every = pd.concat([self.table, both])
        for method, columns in (("naive", _NAIVE), ("augmented", _OWN)):
            estimate, error, low, high, pvalue = (every[name] for name in columns)
            frames.append(
                tidy_frame(
                    every.index.get_level_values("coefficient"),
                    np.column_stack([low, high]),
                    estimate=estimate,
                    std_error=error,
                    statistic=estimate / error,
                    p_value=pvalue,
                    variant=every.index.get_level_values("variant").astype(str),
                    method=[method] * len(every),
                )
            )
        return pd.concat(frames, ignore_index=True)

    @property
    def notes(self) -> list[str]:
        """What a reader must know besides the numbers, in sentences."""
        notes = [
            f"{self.n_labeled} labelled of {self.n_units} units, "
            f"{count(len(self.variants), 'variant')}. Negative, positive: share of "
            f"variants that are significant at {self.alpha:g} with this sign.",
            "naive: the variant as if it were real, with robust normal intervals, "
            "which are about what it says, not about the truth. augmented: the labels "
            "with the variant beside them.",
            f"{TOGETHER}: all variants as replicates of one source. Report this one, "
            "or a variant that was chosen before the labels were seen: to choose among "
            "significant ones is a search of its own.",
        ]
        if self.left_out:
            told = [f"{name} ({why})" for name, why in list(self.left_out.items())[:3]]
            more = ", ..." if len(self.left_out) > len(told) else ""
            left = count(len(self.left_out), "variant")
            notes.append(f"Left out: {left}: {'; '.join(told)}{more}")
        return notes

    @with_filters_kept
    def summary(self) -> Summary:
        """
        Shares of significant results, and the estimates that use all variants.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).multiverse()
        >>> table = found.summary()  # print() shows it
        """
        result, shares = NotesSummary(), self.shares()
        header = ["negative", "none", "positive", "smallest", "largest"]
        rows = [
            [*(f"{v:.1%}" for v in row[:3]), *(f"{v:.4g}" for v in row[3:5])]
            for row in shares.itertuples(index=False)
        ]
        names = [", ".join(map(str, key)) for key in shares.index]
        title = f"Significant results of {count(len(self.variants), 'variant')}"
        result.tables.append(
            SimpleTable(rows, header, names, title=title, txt_fmt=fmt_params)
        )
        lines, names = [], []
        for name, row in self.together.iterrows():
            for kind, columns in (
                (f"naive, {TOGETHER}", _NAIVE),
                (f"augmented, {TOGETHER}", _OWN),
            ):
                names.append(f"{name}: {kind}")
                lines.append([f"{row[column]:.4g}" for column in columns])
            names.append(f"{name}: labels only")
            alone = self.labels_only.loc[[name]].iloc[0]
            lines.append([f"{alone[column]:.4g}" for column in _OWN])
        low, high = self.alpha / 2, 1 - self.alpha / 2
        header = ["estimate", "std err", f"[{low:g}", f"{high:g}]", "P>|t|"]
        result.tables.append(
            SimpleTable(lines, header, names, title="Estimates", txt_fmt=fmt_params)
        )
        result.set_notes("Notes:", self.notes)
        return result

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    @with_filters_kept
    def plot(self, coefficient: str | None = None, ax: Any = None) -> Any:
        """
        Draw naive and augmented estimates by variant, in the order of the naive ones.

        Filled markers are significant. The band is the interval of the labels alone.

        Parameters
        ----------
        coefficient : str, optional
            The coefficient; the first that is not the constant if omitted.
        ax : matplotlib.axes.Axes, optional
            Axes; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        OptionError
            If there is no such coefficient.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).multiverse()
        >>> figure = found.plot("age")
        """
        known = [str(name) for name in self.together.index]
        if coefficient is None:
            coefficient = next((k for k in known if k != self.constant), known[0])
        if coefficient not in known:
            raise OptionError(
                f"There is no coefficient {coefficient!r}.{suggest(coefficient, known)}"
            )
        if ax is None:
            size = (7.2, 3.8)
            _, ax = pyplot().subplots(figsize=size, layout="constrained")
        part = self._of(coefficient).sort_values("naive", kind="stable")
        _draw(ax, part, self.together.loc[[coefficient]], self.alpha)
        alone = self.labels_only.loc[coefficient]
        ax.axhspan(alone["lower"], alone["upper"], color="0.93", zorder=0)
        ax.axhline(0.0, color=BLACK, linewidth=0.8, zorder=1)
        level = f"{100 * (1 - self.alpha):g} % interval"
        ax.set_ylabel(f"{coefficient}, {level}")
        ax.set_xlabel(
            f"{len(part)} variants, by naive estimate; far right: {TOGETHER}.\n"
            "Band: interval of labels only."
        )
        ax.spines[["top", "right"]].set_visible(False)
        return ax.figure


def _draw(ax: Any, part: pd.DataFrame, together: pd.DataFrame, alpha: float) -> None:
    """Intervals of all variants, and of all together behind a gap."""
    k = len(part)
    gap, width = max(2.0, 0.04 * k), 1.6 if k <= 40 else 0.7
    every = pd.concat([part, together])
    at = np.r_[np.arange(k), k - 1 + gap]
    size = float(np.clip(400.0 / k, 2.0, 5.0))
    styles = ((_NAIVE, "naive", RED, "s", -0.2), (_OWN, "augmented", BLUE, "o", 0.2))
    for columns, label, color, marker, shift in styles:
        value, _, low, high, pvalue = (every[name].to_numpy(float) for name in columns)
        ax.vlines(at + shift, low, high, color=color, linewidth=width, alpha=0.6)
        hit = pvalue < alpha
        for filled in (True, False):
            own = hit == filled
            ax.plot(
                at[own] + shift,
                value[own],
                marker,
                color=color,
                markersize=size,
                markerfacecolor=color if filled else "white",
                label=f"{label}, {'' if filled else 'not '}significant"
                if own.any()
                else None,
            )
    ax.axvline(k - 1 + gap / 2, color="0.7", linewidth=0.8, linestyle=":")
    ax.set_xticks([])
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
    ax.legend(frameon=False, fontsize="small", ncols=2, **place)


def multiverse(
    design: AlignedDesign,
    alone: Fit,
    settings: FitSettings,
    eta: Floats,
    constant: int | None,
    alpha: float,
) -> Multiverse:
    """
    Fit with each source of a design alone, and with all as replicates of one.

    `alone`: the fit without any. Shapes: `eta` (M, p).
    """
    if not design.k_sources:
        raise DataError(
            "There is no source, and so no variant. Give the model its proxies, one "
            "for each, such as proxy={name: {'y': name} for name in columns}."
        )
    names, found, left_out = list(design.names), {}, {}
    for m, name in enumerate(names):
        try:
            fit = _fitted(design.with_sources([m]), alone, settings, eta[[m]])
        except SynthError as error:
            left_out[name] = str(error).rstrip(".")
            continue
        if not fit.design.k_sources or not fit.solution.converged:
            reasons = fit.dropped_sources.values()
            left_out[name] = next(iter(reasons), "its equations were not solved")
            continue
        found[name] = _lines(fit, alpha)
    if not found:
        told = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:5])
        raise DataError(f"None of the variants can be used. {told}.")
    used = [m for m, name in enumerate(names) if name in found]
    pooled = as_replicates(design.with_sources(used), TOGETHER)
    both = _fitted(pooled, alone, settings, eta[used].mean(axis=0)[None])
    columns = list(alone.target.names)
    table = pd.concat(found, names=["variant", "coefficient"]).swaplevel()
    order = pd.MultiIndex.from_product([columns, list(found)], names=table.index.names)
    return Multiverse(
        table.loc[order],
        _lines(both, alpha),
        _own_lines(alone, alpha),
        design.n_labeled,
        design.n_units,
        alpha,
        left_out,
        None if constant is None else str(columns[constant]),
    )


def _fitted(
    design: AlignedDesign, alone: Fit, settings: FitSettings, eta: Floats
) -> Fit:
    """The fit of one source; what there is to warn of in each is not said."""
    with muted(SynthWarning):
        theta = alone.solution.theta
        return fit_design(design, alone.target, theta, eta, settings, alone.clusters)


def _own_lines(fit: Fit, alpha: float) -> pd.DataFrame:
    """Estimates of a fit with intervals and p-values, by coefficient."""
    params, bse, df = fit.solution.theta, fit.bse, fit.df_by_coefficient
    margin = stats.t.ppf(1.0 - alpha / 2.0, df) * bse  # normal where df is infinite
    with np.errstate(divide="ignore", invalid="ignore"):
        pvalue = 2.0 * stats.t.sf(np.abs(params / bse), df)
    columns = [params, bse, params - margin, params + margin, pvalue]
    index = pd.Index([str(name) for name in fit.target.names], name="coefficient")
    return pd.DataFrame(np.column_stack(columns), index, _OWN)


def _lines(fit: Fit, alpha: float) -> pd.DataFrame:
    """What the one source of a fit says as if it were real, and the fit beside it."""
    naive, bse = fit.naive.params[0], fit.naive.bse[0]
    margin = stats.norm.ppf(1.0 - alpha / 2.0) * bse
    with np.errstate(divide="ignore", invalid="ignore"):
        pvalue = 2.0 * stats.norm.sf(np.abs(naive / bse))
    columns = [naive, bse, naive - margin, naive + margin, pvalue]
    own = _own_lines(fit, alpha)
    first = pd.DataFrame(np.column_stack(columns), own.index, _NAIVE)
    return pd.concat([first, own], axis=1)
