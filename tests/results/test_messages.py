"""Advice that fits its cause, and rounding that is no error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import install, name_units
from statsmodels_synth.exceptions import DataError

N = 120


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Data and a proxy of a binary outcome."""
    rng = np.random.default_rng(23)
    data = pd.DataFrame({"x": rng.uniform(size=N), "g": rng.choice(list("abc"), N)})
    data["y"] = (rng.random(N) < 0.5).astype(float)
    guess = data["y"].where(rng.random(N) < 0.8, 0.25)
    proxy = guess.to_frame()
    data.loc[60:, "y"] = np.nan
    return data, proxy


def made(formula: str = "y ~ x", top: float = 1.0, **options: object) -> AugmentedGMM:
    """The logit, with a proxy that is at most `top`."""
    data, proxy = frames()
    proxy = proxy.replace(1.0, top)
    family = sm.families.Binomial()
    return AugmentedGMM.from_formula(
        formula, data, proxy=proxy, family=family, **options
    )


def test_an_outcome_beyond_one_by_rounding_is_one() -> None:
    wanted = made().fit().params
    np.testing.assert_allclose(made(top=1 + 1e-12).fit().params, wanted, rtol=1e-9)
    with pytest.raises(DataError, match=r"such as 1\.0000001 \("):
        made(top=1.0000001)


def test_a_probability_beyond_one_by_rounding_is_one() -> None:
    data, _ = frames()
    share = np.where(data.index < 20, 1.0, 0.4)
    wanted = made(labeling_prob=share).fit()
    rounded = made(labeling_prob=np.where(share == 1, 1 + 1e-12, share)).fit()
    np.testing.assert_allclose(rounded.bse, wanted.bse, rtol=1e-9)
    with pytest.raises(DataError, match=r"20 are not, such as 1\.0000001 \(units 0"):
        made(labeling_prob=np.where(share == 1, 1.0000001, share))


@pytest.mark.filterwarnings("ignore:These coefficients rest")
@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_levels_that_nobody_has(engine: str) -> None:
    with pytest.raises(DataError, match=r"No unit has this level: leave it out of lev"):
        made("y ~ C(g, levels=['a', 'b', 'c', 'd'])", engine=engine)
    with pytest.raises(DataError, match=r"not among levels= of .* add it there"):
        made("y ~ C(g, levels=['a', 'b'])", engine=engine)
    with pytest.raises(DataError, match=r"C\(g, Treatment\('level'\)\)"):
        made("y ~ C(g, ref='b')", engine=engine)
    with pytest.raises(DataError, match="give it constraints='center', or write 0 "):
        made("y ~ cr(x, df=3)", engine=engine)
    # And its advice is right.
    made("y ~ cr(x, df=3, constraints='center')", engine=engine).fit()
    made("y ~ 0 + cr(x, df=3)", engine=engine).fit()
    made("y ~ bs(x, df=4)", engine=engine).fit()


def test_a_category_that_nobody_has() -> None:
    data, proxy = frames()
    data["g"] = pd.Categorical(data["g"], list("abcd"))
    with pytest.raises(DataError, match=r"\.cat\.remove_unused_categories\(\)"):
        AugmentedGMM.from_formula("y ~ g", data, proxy=proxy)
    data["g"] = data["g"].cat.remove_unused_categories()
    AugmentedGMM.from_formula("y ~ g", data, proxy=proxy)


def test_one_and_many() -> None:
    assert name_units([638]) == "unit 638"
    assert name_units(range(7), "row") == "rows 0, 1, 2, 3, 4 and 2 more"


def test_what_to_install_is_said_in_one_place() -> None:
    assert install("dask").startswith('pip install ".[dask]"')
