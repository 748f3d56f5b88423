"""Many sets of labels on the sources of one fit, for R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import count, format_units
from statsmodels_synth.data.frames import keyed_by
from statsmodels_synth.exceptions import AlignmentError, SynthError, SynthWarning
from statsmodels_synth.problem.scores import LevelScore
from statsmodels_synth.r.analyses import Arguments, of_fit
from statsmodels_synth.r.augmented import fit_options, unit_labels
from statsmodels_synth.r.columns import split_text
from statsmodels_synth.r.frames import on_of, read_frame, texts_of
from statsmodels_synth.r.recording import Said, recorded


@of_fit
def many_fits(result: Any, arguments: Arguments) -> dict[str, Any]:
    """
    Coefficients of every set of labels; sets that cannot be fitted, with the reason.

    Shapes: `exog` (rows, p), rows of data, which come first.
    """
    model, exog = result.model, arguments["exog"]
    units = model.given_units[: len(exog)]
    sets = _label_sets(arguments, units)
    if isinstance(model.target_score, LevelScore):
        levels = pd.Series([*arguments["levels"], None], dtype=object)
        codes = {name: own.fillna(len(levels) - 1) for name, own in sets.items()}
        sets = {
            name: levels[own.astype(np.intp)].set_axis(own.index)
            for name, own in codes.items()
        }
    regressors = pd.DataFrame(exog, units, columns=model.exog_names)
    fits = model.fit_many(sets, regressors, **fit_options(arguments))
    alpha = float(arguments["alpha"][0])
    tables, about, left_out = [], [], {}
    for k, name in enumerate(fits.names):
        said = Said()
        try:
            with recorded(said):
                fit = fits[k]
        except SynthError as error:
            left_out[str(name)] = str(error)
            continue
        finally:
            print(said.output.getvalue(), end="")  # for R, as from any call
        tables.append(_coefficients(fit, str(name), alpha))
        ours = (w for w in said.warnings if issubclass(w.category, SynthWarning))
        about.append(_numbers(fit, str(name), [str(w.message) for w in ours]))
    return {
        "tables": [
            {c: table[c].tolist() if c in ("fit", "term") else table[c] for c in table}
            for table in tables
        ],
        "vcov": [np.asarray(row.pop("vcov")) for row in about],
        "about": about,
        "left_out": list(left_out),
        "why": list(left_out.values()),
    }


def _label_sets(arguments: Arguments, units: pd.Index) -> dict[str, pd.Series]:
    """
    Labels of each set by unit.

    Shapes: `units` (rows,), those of data.
    """
    shared = _units_of_frame(arguments, units)
    sets = {}
    for name, given in dict(arguments["sets"]).items():
        values, where = given["values"], shared
        if given["units"] is not None:
            where = _as_units(split_text(given["units"]), units)
        if where is None:
            values, where = _in_order(values, arguments["subset"], units, name), units
        sets[name] = pd.Series(values, where)
    return sets


def _in_order(
    values: Floats, subset: Positions | None, units: pd.Index, name: str
) -> Floats:
    """
    Labels by row of the data of the fit, or of those that its subset is of.

    Shapes: `values` (any,), `subset` (rows,), `units` (rows,) -> (rows,).
    """
    n_rows = len(units)
    if subset is not None and len(values) != n_rows and len(values) >= max(subset):
        values = values[subset - 1]
    if len(values) != n_rows:
        raise AlignmentError(
            f"labels: {name!r} has {count(len(values), 'value')}; the data of the fit "
            f"have {count(n_rows, 'row')}. Give one value per row, NA where there is "
            "no label, or values with names."
        )
    return values


def _units_of_frame(arguments: Arguments, units: pd.Index) -> pd.Index | None:
    """
    Units of the rows of a frame of labels; None where they go by their order.

    Shapes: `units` (rows,), those of data.
    """
    given, on = arguments["frame"], arguments["on"]
    if given is None:
        return None
    if on is not None:
        ids = keyed_by(read_frame(given, on), on_of(arguments), "labels").index
        return _as_units(texts_of(ids), units)
    if given["automatic"][0]:
        return None
    own = texts_of(read_frame(given, None).index)
    if arguments["id"] is None:
        return _as_units(own, units)
    # Row names may be those of data, or ids.
    known = [units]
    if arguments["data_rows"] is not None:
        known.insert(0, unit_labels(arguments["data_rows"], len(units)))
    for names in known:
        place = pd.Index(texts_of(names)).get_indexer(pd.Index(own))
        if (place >= 0).all() and len(set(place)) == len(place):
            return units[place]
    raise AlignmentError(
        f"labels has row names ({format_units(own[:3])} ...) that are not those of "
        f"data, and no column {arguments['id'][0]!r}, by which the fit knows units. "
        "Give labels this column, or a list of vectors whose values are in the order "
        "of data."
    )


def _as_units(labels: list[str], units: pd.Index) -> pd.Index:
    """
    Labels of units, text that is, as the model has them.

    Shapes: `units` (T,) -> (rows,).
    """
    place = pd.Index(texts_of(units)).get_indexer(pd.Index(labels))
    if (place >= 0).all():
        return units[place]
    strange = [label for label, at in zip(labels, place, strict=True) if at < 0]
    raise AlignmentError(
        f"labels has {count(len(strange), 'unit')} ({format_units(strange)}) that data "
        "do not have. Leave these out."
    )


def _coefficients(fit: Any, name: str, alpha: float) -> pd.DataFrame:
    """One row per coefficient, by broom's names."""
    table: pd.DataFrame = fit.tidy(alpha)
    table = table.rename(columns=lambda column: column.replace("_", "."))
    table.insert(0, "fit", name)
    ends = np.asarray(fit.real_only.conf_int(alpha))
    df = np.asarray(fit.df_inference) if fit.use_t else np.inf
    return table.assign(
        **{
            "df": df,
            "labels.only": np.asarray(fit.real_only.params),
            "labels.only.std.error": np.asarray(fit.real_only.bse),
            "labels.only.conf.low": ends[:, 0],
            "labels.only.conf.high": ends[:, 1],
            "effective.labels": np.asarray(fit.effective_nobs),
        }
    )


def _numbers(fit: Any, name: str, warned: list[str]) -> dict[str, Any]:
    """One row per fit, its covariance, and what it warned of."""
    jtest = fit.jtest()
    return {
        "fit": name,
        "nobs": int(fit.n_labeled),
        "n_incomplete": int(fit.model.n_incomplete),
        "n_units": int(fit.n_units),
        "n_sources": len(fit.source_names),
        "j_p": float(jtest[1]),
        "converged": bool(fit.converged),
        "warnings": warned,
        "vcov": np.asarray(fit.cov_params()),
    }
