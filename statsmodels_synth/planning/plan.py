"""Planning from a pilot: how many labels, which sources, at what price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count
from statsmodels_synth.core.options import (
    check_alpha,
    check_choice,
    check_count,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_filters_kept, with_one_blas_thread
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.core.tidy import tidy_frame
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.planning.arguments import (
    check_amount,
    check_target,
    coefficients_of,
    one_coefficient,
    positions,
    read_effects,
    read_prices,
    whole_numbers,
)
from statsmodels_synth.planning.graphics import plot_plan
from statsmodels_synth.planning.mixes import Limits, Mix, cheapest_mixes
from statsmodels_synth.planning.pilots import DesignOfLabels, Pilots
from statsmodels_synth.planning.power import critical_value, power_of_test
from statsmodels_synth.planning.prediction import VarianceParts
from statsmodels_synth.planning.search import (
    MOST_LABELS,
    Aim,
    fewest_labels,
    labels_with_variance,
)
from statsmodels_synth.planning.summary import header, plan_summary
from statsmodels_synth.sampling.pilots import FEWEST_LABELS, UnitsToDraw

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit

Design = Literal["random", "influence", "optimal"]
#: In the order of what they ask for.
DESIGNS: tuple[Design, ...] = ("random", "influence", "optimal")
#: Rounds in which labels and what their design is worth are brought together.
_ROUNDS = 5


@methods_name_keywords
@not_constructed
class Plan:
    """
    What other numbers of labels, units and replicates would give, from a pilot.

    Made by :meth:`AugmentedGMMResults.plan`. The predictions are for a study like the
    pilot: the same population, model, way of labelling and sources. Twice the labels
    are twice as many in every stratum, and with clusters twice the clusters. See
    :mod:`statsmodels_synth.planning.prediction` for the formula.

    Attributes
    ----------
    names : list of str
        Names of the p coefficients.
    source_names : list of str
        Names of the M sources.
    n_labeled, n_units : int
        Labels and units of the pilot.
    params : ndarray (p,)
        Estimates of the pilot.
    constant : int or None
        Position of the constant among the coefficients.
    by_clusters : bool
        Whether whole clusters are labelled.
    is_finite : bool
        Whether the units are the population (``population="finite"``).

    Notes
    -----
    The plan holds the data of the pilot. Keep them out of files that you share.

    Examples
    --------
    >>> from statsmodels_synth.demo import fit_study, make_study
    >>> plan = fit_study(make_study())[1].plan()
    >>> plan.expect(n=[200, 400], coefficients="age")[["n", "std_err"]].round(4)
         n  std_err
    0  200   0.0073
    1  400   0.0057
    """

    def __init__(
        self,
        fit: Fit,
        constant: int | None,
        n_units: int,
        units_to_draw: Callable[[], UnitsToDraw] | None = None,
    ) -> None:
        self._pilots = Pilots(fit, n_units)
        self._find_units = units_to_draw
        self.names = list(fit.target.names)
        self.source_names = list(fit.design.names)
        self.n_labeled, self.n_units = fit.design.n_labeled, n_units
        self.params = fit.solution.theta.copy()
        self.constant = constant
        self.by_clusters = fit.clusters is not None
        self.is_finite = fit.settings.is_finite
        self._all = tuple(range(fit.design.k_sources))

    @property
    def min_labels(self) -> int:
        """
        The fewest labels that a prediction is made for.

        A quarter of the pilot's and p + 2, or the pilot's: what few labels add to the
        variance grows faster than is predicted from many.
        """
        return self._pilots.min_labels

    @property
    def most_labels(self) -> int:
        """The most labels among the units of the pilot; 10**9 if it has no source."""
        return self._most(self._pilots.alone, self._most_units(None))[0]

    # Predictions

    @with_one_blas_thread
    def expect(
        self,
        n: Any = None,
        n_units: Any = None,
        replicates: Any = None,
        sources: Any = None,
        *,
        alpha: float = 0.05,
        effect: Any = None,
        coefficients: Any = None,
        design: str = "random",
    ) -> pd.DataFrame:
        """
        Standard errors, widths and power to expect.

        Parameters
        ----------
        n : int or sequence of int, optional
            Numbers of labels; that of the pilot if omitted. Fewer than a quarter of it
            are not predicted.
        n_units : int or sequence of int, optional
            Numbers of units that labels are drawn from; that of the pilot if omitted.
            A source covers the same share of them as in the pilot. Every combination
            with `n` is predicted. In a plan without sources there are as many as it
            takes if omitted.
        replicates : int or mapping of str to int, optional
            Rows per unit of the sources, or of those that are named; as in the pilot
            if omitted.
        sources : sequence of str, optional
            The sources to use; ``[]`` for labels only. All if omitted.
        alpha : float
            One minus the level of the intervals; level of the tests.
        effect : float or mapping or Series, optional
            True coefficient for the power, one for all or by name for each that is
            shown. The estimate of
            the pilot if omitted, which is optimistic where the pilot was chosen
            because its estimate is large (the winner's curse): give the smallest
            effect that matters.
        coefficients : str or sequence of str, optional
            Coefficients to show; all if omitted.
        design : {"random", "influence", "optimal"}
            How labels beyond those of the pilot are drawn, as in
            :func:`~statsmodels_synth.draw_labels`, for each coefficient as if it alone
            mattered. "random" is as those of the pilot were: in proportion to its
            labelling probabilities, where these differ.

        Returns
        -------
        DataFrame
            One row per design and coefficient: `n`, `n_units`, `sources`,
            `coefficient`, `std_err`, `width` of the interval, `power` of the test that
            the coefficient is zero, and `effective_labels`, the labels that would give
            this standard error without any source (infinite where none would).

        Raises
        ------
        OptionError
            If an argument does not make sense, or so many of n_units cannot be
            labelled: n is larger, or labelling probabilities that are scaled with n are
            above 1.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> foreseen = plan.expect(n=[200, 400], coefficients="age")
        >>> foreseen[["n", "std_err", "width"]].round(4)
             n  std_err   width
        0  200   0.0073  0.0289
        1  400   0.0057  0.0224
        """
        alpha = check_alpha(alpha)
        used = positions("source", sources, self.source_names)
        given = coefficients_of(coefficients, effect)
        shown = positions("coefficient", given, self.names)
        effects = read_effects(effect, self.names, shown, self.params)
        sizes = self._sizes(n, n_units)
        if design == "random":
            parts = self._pilots.parts(used, replicates)
            return self._rows(parts, used, sizes, alpha, effects, shown)
        rows = []
        for size in sizes:
            pilots = self._drawn(design, size[0], shown)
            parts = pilots.parts(used, replicates)
            rows.append(self._rows(parts, used, [size], alpha, effects, shown))
        return pd.concat(rows, ignore_index=True)

    @with_one_blas_thread
    def designs(
        self, n: int, *, coefficients: Any = None, alpha: float = 0.05
    ) -> pd.DataFrame:
        """
        What the choice of the units to label is worth.

        Parameters
        ----------
        n : int
            Labels in all, those of the pilot included.
        coefficients : str or sequence of str, optional
            Coefficients; all but the constant if omitted.
        alpha : float
            One minus the level of the intervals.

        Returns
        -------
        DataFrame
            By coefficient and design, as in :func:`~statsmodels_synth.draw_labels`:
            `std_err`, `width` of the interval, and `labels_saved`: how many more
            labels a simple random sample of all would need for this standard error.
            "random" adds a simple random sample to the pilot, which may have had
            unequal probabilities.

        Raises
        ------
        OptionError
            If `n` is not above the labels of the pilot, or these are too few.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> plan.designs(400, coefficients="age")["labels_saved"].tolist()
        [0, 163, 169]
        """
        alpha = check_alpha(alpha)
        shown = self._shown(coefficients)
        used, effects = self._all, np.zeros(len(self.names))
        rows = []
        for j in shown:
            random = self._anew([j]).parts(used, None)
            for design in DESIGNS:
                pilots = self._drawn(design, n, [j], as_pilot=False)
                parts = pilots.parts(used, None)
                row = self._rows(
                    parts, used, [(n, self.n_units)], alpha, effects, [j]
                ).assign(design=design)
                variance = np.array([row["std_err"].iloc[0] ** 2])
                same = labels_with_variance(random, j, variance, n, self.n_units)
                rows.append(row.assign(labels_saved=same - n))
        columns = ["n", "std_err", "width", "labels_saved"]
        return pd.concat(rows).set_index(["coefficient", "design"])[columns]

    @with_one_blas_thread
    def labels_needed(
        self,
        *,
        width: float | None = None,
        power: float | None = None,
        coefficients: Any = None,
        n_units: int | None = None,
        replicates: Any = None,
        sources: Any = None,
        effect: Any = None,
        alpha: float = 0.05,
        design: str = "random",
    ) -> pd.DataFrame:
        """
        Fewest labels that make an interval narrow or a test powerful enough.

        Parameters
        ----------
        width : float, optional
            Width of the interval, from end to end, at most.
        power : float, optional
            Power of the test that the coefficient is zero, at least. Give one of the
            two.
        coefficients : str or sequence of str, optional
            Coefficients; all but the constant if omitted.
        n_units : int, optional
            Number of units; that of the pilot if omitted, or without sources as many
            as it takes.
        replicates, sources, effect, alpha, design : optional
            As in :meth:`expect`.

        Returns
        -------
        DataFrame
            One row per coefficient: `n`, the fewest labels, no fewer than a quarter of
            the pilot's, and `std_err`, `width` and `power` with them. Where even all
            units labelled, or as many as can be, do not do, `n` is missing (``<NA>``),
            the other columns are those with so many, and `reached` is False; then
            `limit` says how many labels there can be, and why.

        Raises
        ------
        OptionError
            If an argument does not make sense.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> plan.labels_needed(width=0.02, coefficients="age")["n"].tolist()
        [587]
        """
        alpha = check_alpha(alpha)
        check_target(width, power, alpha)
        used = positions("source", sources, self.source_names)
        shown = self._shown(coefficients_of(coefficients, effect))
        effects = read_effects(effect, self.names, shown, self.params)
        units = self._most_units(n_units)
        parts, rows = self._pilots.parts(used, replicates), []
        for j in shown:
            aim = self._aim(j, width, power, effects, alpha)
            fewest = fewest_labels(parts, aim, self.min_labels, units)
            if design != "random":
                parts, fewest = self._fewest_drawn(
                    design, fewest, aim, used, replicates, units
                )
            n, most = self._most(parts, units)
            if fewest is not None:
                n, most = fewest, units or parts.units_for(fewest)
            row = self._rows(parts, used, [(n, most)], alpha, effects, [j])
            row["n"] = pd.array([fewest], dtype="Int64")
            limit = "" if fewest is not None else self._limit(parts, n, units)
            rows.append(row.assign(reached=fewest is not None, limit=limit))
        columns = ["n", "n_units", "sources", "std_err", "width", "power", "reached"]
        if any(row["limit"].ne("").any() for row in rows):
            columns.append("limit")
        return pd.concat(rows).set_index("coefficient")[columns]

    @with_one_blas_thread
    def cheapest(
        self,
        *,
        coefficient: str,
        price_label: float | None = None,
        price_proxy: Any = 0.0,
        price_synthetic: Any = 0.0,
        width: float | None = None,
        power: float | None = None,
        n_units: int | None = None,
        max_replicates: int = 5,
        sources: Any = None,
        effect: Any = None,
        alpha: float = 0.05,
        designs: Sequence[str] = ("random",),
    ) -> pd.DataFrame:
        """
        Cheapest mix of labels, units and replicates for every choice of sources.

        A design with n labels and T units costs n times the price of a label, plus, for
        every source that is used, T times the share of the units that it covers in the
        pilot, times its rows per covered unit, times the price of a row. No fewer
        labels than a quarter of the pilot's are considered.

        Parameters
        ----------
        coefficient : str
            The coefficient that matters.
        price_label : float
            Price of a label.
        price_proxy, price_synthetic : float or mapping of str to float
            Price of a row of a proxy or a synthetic source, one for all or by name.
        width, power : float, optional
            What is to be reached, as in :meth:`labels_needed`. Give one of the two.
        n_units : int, optional
            The most units there are; those of the pilot if omitted, or in a plan
            without sources as many as it takes. Fewer are used where that is cheaper.
        max_replicates : int
            The most rows per unit, for sources that have several in the pilot. What
            more rows do for the others cannot be predicted.
        sources : sequence of str, optional
            The sources to choose among; all if omitted.
        effect, alpha : optional
            As in :meth:`expect`.
        designs : sequence of str
            How labels may be drawn, as in :meth:`expect`; beyond those of the pilot,
            which are kept, where not at random. What a design is worth is that of
            twice the pilot's labels.

        Returns
        -------
        DataFrame
            One row per choice of sources, and of a design where there are several, the
            cheapest first: `sources`, `n`,
            `n_units`, ``replicates[name]`` (missing where the source is not used),
            `cost`, `std_err`, `width`, `power`. A choice that cannot reach the aim
            comes last, with an infinite cost, missing numbers, and what all units
            labelled would give.

        Raises
        ------
        OptionError
            If an argument does not make sense.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> plan.cheapest(coefficient="age", price_label=2.0, width=0.025)["n"].tolist()
        [290, 294, 300, 411]
        """
        alpha = check_alpha(alpha)
        check_target(width, power, alpha)
        if price_label is None:
            raise OptionError("price_label= is not given: the price of one label.")
        j = one_coefficient(coefficient, self.names)
        effects = read_effects(effect, self.names, [j], self.params)
        aim = self._aim(j, width, power, effects, alpha)
        price_label = check_amount("price_label", price_label)
        prices = read_prices(
            price_proxy,
            price_synthetic,
            self.source_names,
            self._pilots.kinds,
        )
        limits = Limits(
            self.min_labels,
            self._most_units(n_units),
            check_count("max_replicates", max_replicates),
        )
        among = positions("source", sources, self.source_names)
        tables = []
        for design in designs:
            pilots = self._drawn(design, 2 * self.n_labeled, [j])
            least = self.min_labels if design == "random" else self.n_labeled + 1
            own = replace(limits, low=least)
            mixes = cheapest_mixes(pilots, aim, among, own, price_label, prices)
            for mix in mixes:
                row = self._mix_frame(mix, aim, limits.n_units, among)
                if tuple(designs) != ("random",):
                    row.insert(0, "design", design)
                tables.append(row)
        table = pd.concat(tables)
        return table.sort_values("cost", kind="stable", ignore_index=True)

    @cached_property
    def _units_to_draw(self) -> UnitsToDraw | None:
        """The units that further labels are drawn from, where they are at hand."""
        return None if self._find_units is None else self._find_units()

    @property
    def units_can_be_drawn(self) -> bool:
        """Whether `designs` can say something: there are units, and enough labels."""
        return self._find_units is not None and self.n_labeled >= FEWEST_LABELS

    def _anew(self, shown: Sequence[int]) -> Pilots:
        """The pilot, as if all its labels were a simple random sample."""
        units = self._units_to_draw
        if units is None or units.are_alike:
            return self._pilots
        return self._pilots.with_design(
            DesignOfLabels("random", 0, tuple(shown), units)
        )

    def _drawn(
        self, design: str, n: int, shown: Sequence[int], *, as_pilot: bool = True
    ) -> Pilots:
        """
        The pilot, where further labels, up to n in all, are drawn by a design.

        "random" is as those of the pilot were, if `as_pilot`.
        """
        check_choice("design", design, Design)
        if design == "random" and (as_pilot or self._anew(shown) is self._pilots):
            return self._pilots
        more = n - self.n_labeled
        if more < 1:
            raise OptionError(
                f"n={n} is no more than the {self.n_labeled} labels of the pilot, and "
                f"design={design!r} says how further ones are drawn. Give a larger n."
            )
        units = self._units_to_draw
        if units is None or self.n_labeled < FEWEST_LABELS:
            raise OptionError(
                f"design={design!r} needs a pilot with {FEWEST_LABELS} labels, whose "
                "units are at hand. Give design='random'."
            )
        more = min(more, int(units.is_open.sum()))
        return self._pilots.with_design(
            DesignOfLabels(design, more, tuple(shown), units)
        )

    def _fewest_drawn(
        self,
        design: str,
        fewest: int | None,
        aim: Aim,
        used: Sequence[int],
        replicates: Any,
        units: int | None,
    ) -> tuple[VarianceParts, int | None]:
        """Fewest labels of a design, whose worth depends on their number."""
        for _ in range(_ROUNDS):
            most = max(fewest or 2 * self.n_labeled, self.n_labeled + 1)
            pilots = self._drawn(design, most, [aim.coefficient])
            parts = pilots.parts(used, replicates)
            found = fewest_labels(parts, aim, self.min_labels, units)
            if found == fewest:
                break
            fewest = found
        return parts, fewest

    # Tables and figures

    def tidy(
        self, n: Any = None, *, alpha: float = 0.05, effect: Any = None
    ) -> pd.DataFrame:
        """
        What to expect as a plain frame, with all sources and with the labels alone.

        Parameters
        ----------
        n : int or sequence of int, optional
            Numbers of labels; that of the pilot if omitted.
        alpha, effect : optional
            As in :meth:`expect`.

        Returns
        -------
        DataFrame
            One row per number of labels, choice of sources and coefficient: `term`,
            `estimate` (the effect that is supposed), `std_error`, the interval
            `conf_low`, `conf_high` that is expected around it, `source`, `n`,
            `n_units`, `power`, `effective_labels`. There is nothing to test yet.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> plan.tidy()[["term", "std_error", "power"]].head(3).round(3)
                term  std_error  power
        0  Intercept      0.598  0.997
        1        age      0.007  0.611
        2       educ      0.078  0.053
        """
        choices: list[Any] = [None, []] if self.source_names else [None]
        options = {"alpha": alpha, "effect": effect}
        found = [self.expect(n, sources=own, **options) for own in choices]
        table = pd.concat(found, ignore_index=True)
        shown = positions("coefficient", coefficients_of(None, effect), self.names)
        effects = read_effects(effect, self.names, shown, self.params)
        by_name = dict(zip(self.names, effects.tolist(), strict=True))
        middle = table["coefficient"].map(by_name).to_numpy(dtype=float)
        half = table["width"].to_numpy() / 2.0
        return tidy_frame(
            table["coefficient"],
            np.column_stack([middle - half, middle + half]),
            estimate=middle,
            std_error=table["std_err"],
            source=table["sources"],
            n=table["n"],
            n_units=table["n_units"],
            power=table["power"],
            effective_labels=table["effective_labels"],
        )

    @with_filters_kept
    def summary(self, *, alpha: float = 0.05, effect: Any = None) -> Summary:
        """
        A table for people: half, one, two and four times the labels of the pilot.

        Parameters
        ----------
        alpha, effect : optional
            As in :meth:`expect`; effects by name show these coefficients only.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            With all sources and with none, and what the numbers suppose. Prints as
            text; ``as_latex()``, ``as_html()``, ``as_csv()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> table = plan.summary()  # print() shows it
        """
        return plan_summary(self, alpha, effect)

    @with_filters_kept
    def plot(
        self, coefficient: str | None = None, ax: Any = None, *, alpha: float = 0.05
    ) -> Any:
        """
        Draw the expected width of the interval against the number of labels.

        Parameters
        ----------
        coefficient : str, optional
            The coefficient; the first that is not the constant if omitted.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; a new figure if omitted.
        alpha : float
            One minus the level of the interval.

        Returns
        -------
        matplotlib.figure.Figure
            One line for the labels alone, each source alone, and all sources; the
            pilot is marked.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> plan = fit_study(make_study())[1].plan()
        >>> figure = plan.plot("age")
        """
        return plot_plan(self, coefficient, ax, alpha=alpha)

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    def __repr__(self) -> str:
        return f"<Plan from a pilot: {header(self)}>"

    # What they are made of

    def _rows(
        self,
        parts: VarianceParts,
        used: Sequence[int],
        sizes: list[tuple[int, int]],
        alpha: float,
        effects: Floats,
        shown: list[int],
    ) -> pd.DataFrame:
        """One row per number of labels and units and coefficient that is shown."""
        n, units = np.array(sizes, dtype=float).T
        variance, df = parts.variance(n, units), parts.df(n, units)
        errors = np.sqrt(variance)
        # No error is left where all units of a population are labelled.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(effects == 0.0, 0.0, effects / errors)
        power = power_of_test(ratio, df, alpha)
        alone = self._pilots.alone.labels_for(variance, units)
        widths = 2.0 * critical_value(df, alpha) * errors
        columns = {
            "std_err": errors,
            "width": widths,
            "power": power,
            "effective_labels": alone,
        }
        whole = np.repeat(np.array(sizes), len(shown), axis=0)
        return pd.DataFrame(
            {
                "n": whole[:, 0],
                "n_units": whole[:, 1],
                "sources": self._pilots.label(used),
                "coefficient": [self.names[j] for j in shown] * len(sizes),
            }
            | {name: values[:, shown].ravel() for name, values in columns.items()}
        )

    def _shown(self, coefficients: Any) -> list[int]:
        shown = positions("coefficient", coefficients, self.names)
        if coefficients is None and len(shown) > 1:
            shown = [j for j in shown if j != self.constant]
        return shown

    def _sizes(self, n: Any, n_units: Any) -> list[tuple[int, int]]:
        labels = whole_numbers("n", n, self.n_labeled, 1)
        for size in labels:
            if size < self.min_labels:
                few = f"n={size} is too few for {count(len(self.names), 'coefficient')}"
                if size >= len(self.names) + 2:
                    few = (
                        f"n={size} is less than a quarter of the pilot's "
                        f"{self.n_labeled} labels, and what so few add to the variance "
                        "cannot be predicted from it"
                    )
                raise OptionError(f"{few}. Give at least {self.min_labels}.")
        parts = self._pilots.alone
        if n_units is None and self._most_units(None) is None:
            return [(size, parts.units_for(size)) for size in labels]
        sizes = list(
            product(labels, whole_numbers("n_units", n_units, self.n_units, 1))
        )
        for size, units in sizes:
            most = parts.most_labels(units)
            if size <= most:
                continue
            whose = "the pilot's " if n_units is None else ""
            why = "labelled units are among all units"
            if size <= units:
                why = (
                    "in the pilot some units were more likely to be labelled than "
                    "others, and these run out"
                )
            raise OptionError(
                f"n={size} is more than {whose}n_units={units} allow: {why}. Give a "
                f"larger n_units, or at most n={most}."
            )
        return sizes

    def _most_units(self, n_units: int | None) -> int | None:
        """Units that there are; None: as many as it takes, where no source has them."""
        if n_units is None:
            return self.n_units if self.source_names or self.is_finite else None
        return check_count("n_units", n_units, self.min_labels)

    def _limit(self, parts: VarianceParts, most: int, n_units: int | None) -> str:
        """The most labels that there can be, and why."""
        if n_units is None:
            return f"n={most}: the most that is looked at"
        if most >= parts.most_labels(n_units) and most < n_units:
            return f"n={most}: units of the likeliest labels run out"
        return f"n={most}: all units labelled"

    def _most(self, parts: VarianceParts, n_units: int | None) -> tuple[int, int]:
        """The most labels, and among how many units."""
        if n_units is None:
            return MOST_LABELS, parts.units_for(MOST_LABELS)
        return parts.most_labels(n_units), n_units

    def _aim(
        self, j: int, width: Any, power: Any, effects: Floats, alpha: float
    ) -> Aim:
        if power is not None and effects[j] == 0.0:
            raise OptionError(
                f"The effect of {self.names[j]!r} is 0: no number of labels gives "
                "power against it. Give another effect=."
            )
        return Aim(j, width, power, float(effects[j]), alpha)

    def _mix_frame(
        self, mix: Mix, aim: Aim, n_units: int | None, among: Sequence[int]
    ) -> pd.DataFrame:
        """One row of the table of the cheapest mixes."""
        n, units, cost = mix.found or (*self._most(mix.parts, n_units), float("inf"))
        frame = self._rows(
            mix.parts,
            mix.used,
            [(n, units)],
            aim.alpha,
            np.full(len(self.names), aim.effect),
            [aim.coefficient],
        )
        numbers = [None, None] if mix.found is None else [n, units]
        frame["n"], frame["n_units"] = (pd.array([v], dtype="Int64") for v in numbers)
        rows = dict(zip(mix.used, mix.rows, strict=True))
        replicates = {f"replicates[{self.source_names[m]}]": rows.get(m) for m in among}
        for name, value in replicates.items():
            frame[name] = pd.array([value], dtype="Int64")
        frame["cost"] = cost
        columns = ["sources", "n", "n_units", *replicates]
        return frame[[*columns, "cost", "std_err", "width", "power"]]


@with_one_blas_thread
def make_plan(
    fit: Fit,
    constant: int | None,
    n_units: int | None = None,
    units_to_draw: Callable[[], UnitsToDraw] | None = None,
) -> Plan:
    """
    Plan from a fit, which is the pilot, of so many units (those that take part).

    Examples
    --------
    >>> from statsmodels_synth.demo import fit_study, make_study
    >>> fit_study(make_study())[1].plan()
    <Plan from a pilot: 200 labels, 694 units; sources: guess, draws>
    """
    if not fit.solution.converged:
        raise DataError(
            "The pilot did not converge, so that its standard errors mean nothing. Fit "
            "it again before you plan with it."
        )
    if fit.settings.is_finite and fit.design.n_labeled == fit.design.n_frame:
        raise DataError(
            "Every unit is labelled, and the units are the population: nothing is left "
            "to chance, and nothing to plan."
        )
    size = fit.design.n_units if n_units is None else n_units
    return Plan(fit, constant, size, units_to_draw)
