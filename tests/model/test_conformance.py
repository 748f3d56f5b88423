"""statsmodels' own generic tests, run on this class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.base.tests import test_generic_methods, test_shrink_pickle
from statsmodels.sandbox.regression.gmm import GMM, GMMResults
from statsmodels.stats.tests.test_anova import kidney_table

from statsmodels_synth import AugmentedGMM

_NO_LIKELIHOOD = (
    "needs the constrained fits of LikelihoodModel, which GMM is not; and dropping a "
    "column of exog alone would leave the sources with another design"
)


def _units(x: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Labels for half of the rows, a proxy and a synthetic source."""
    rng = np.random.default_rng(seed)
    y = x.sum(axis=1) + rng.normal(size=len(x))
    guess = y + rng.normal(scale=0.5, size=len(x))
    other = x + np.r_[0, np.full(x.shape[1] - 1, 0.1)] * rng.normal(size=x.shape)
    return {
        "endog": np.where(np.arange(len(x)) % 2, y, np.nan),
        "exog": x,
        "proxy": {"guess": (guess, x)},
        "synthetic": {"made": (guess[::-1].copy(), other)},
    }


class _Generic(test_generic_methods.CheckGenericMixin):
    def test_zero_collinear(self) -> None:
        pytest.skip(_NO_LIKELIHOOD)

    def test_zero_constrained(self) -> None:
        pytest.skip(_NO_LIKELIHOOD)


class TestGenericGaussian(_Generic):
    def setup_method(self) -> None:
        super().setup_method()
        self.results = AugmentedGMM(**_units(self.exog)).fit()


class TestGenericUseT(_Generic):
    def setup_method(self) -> None:
        super().setup_method()
        self.results = AugmentedGMM(**_units(self.exog)).fit(use_t=True)


class TestGenericBinomial(_Generic):
    def setup_method(self) -> None:
        super().setup_method()
        units = _units(self.exog)
        median = self.exog.sum(axis=1).mean()
        units["endog"] = np.where(
            np.isnan(units["endog"]), np.nan, units["endog"] > median
        )
        for kind in ("proxy", "synthetic"):
            units[kind] = {
                name: ((y > median).astype(float), x)
                for name, (y, x) in units[kind].items()
            }
        self.results = AugmentedGMM(**units, family=sm.families.Binomial()).fit()


class TestGenericOneExog(_Generic):
    def setup_method(self) -> None:
        super().setup_method()
        self.results = AugmentedGMM(**_units(self.exog[:, 1:2])).fit()


class TestPickleArrays(test_shrink_pickle.RemoveDataPickle):
    def setup_method(self) -> None:
        super().setup_method()
        self.model_class = AugmentedGMM
        self.model_kwargs = _units(self.exog)
        self.results = AugmentedGMM(**self.model_kwargs).fit()


class _PickleFormula(test_shrink_pickle.RemoveDataPickle):
    formula_ = "Y ~ A + B + C"
    engine = "patsy"

    @classmethod
    def setup_class(cls) -> None:
        super().setup_class()
        units = _units(cls.exog)
        names = ["A", "B", "C"]
        cls.data = pd.DataFrame(cls.exog[:, 1:], columns=names)
        cls.data["Y"] = units["endog"]
        cls.data["guess"] = units["proxy"]["guess"][0]
        cls.xf = pd.DataFrame(0.25 * np.ones((2, 3)), columns=names)
        cls.reduction_factor = 0.5

    def estimate_model(self) -> Any:
        return AugmentedGMM.from_formula(
            self.formula_, self.data, proxy={"Y": "guess"}, engine=self.engine
        ).fit()

    def setup_method(self) -> None:
        super().setup_method()
        self.results = self.estimate_model()


class TestPicklePatsy(_PickleFormula):
    pass


class TestPickleFormulaic(_PickleFormula):
    engine = "formulaic"


class TestPickleInteraction(_PickleFormula):
    formula_ = "Y ~ A + B * C"


class TestPickleFunction(_PickleFormula):
    formula_ = "Y ~ np.log(abs(A) + 1) + B * C"


class TestPickleSplineFormulaic(_PickleFormula):
    formula_ = "Y ~ bs(A, df=4, lower_bound=-9, upper_bound=9) + center(B)"
    engine = "formulaic"


class _Anova(test_generic_methods.CheckAnovaMixin):
    engine = "patsy"

    def initialize(self) -> None:
        # More rows than the table has, so that every cell has labelled ones.
        data = pd.concat([kidney_table] * 12, ignore_index=True)
        rng = np.random.default_rng(3)
        data["Days"] = rng.poisson(data["Days"] + 1.0)
        guess = data.assign(Days=data["Days"] + rng.poisson(1.0, len(data)))
        labels = data.sample(frac=0.6, random_state=rng)
        data["id"], guess["id"], labels["id"] = data.index, data.index, labels.index
        self.res = AugmentedGMM.from_formula(
            "Days ~ C(Duration, Sum)*C(Weight, Sum)",
            labels,
            proxy=guess,
            on="id",
            family=sm.families.Poisson(),
            engine=self.engine,
        ).fit()


class TestAnovaPatsy(_Anova):
    pass


class TestAnovaFormulaic(_Anova):
    engine = "formulaic"


def test_pairwise_tests_agree_with_contrasts() -> None:
    suite = TestAnovaPatsy()
    suite.setup_method()
    result = AugmentedGMM.from_formula(
        "Days ~ C(Weight) + C(Duration)",
        kidney_table.assign(guess=kidney_table["Days"] + 1).assign(
            Days=lambda f: f["Days"].where(f.index % 3 < 2)
        ),
        proxy={"Days": "guess"},
        family=sm.families.Poisson(),
    ).fit()
    pairwise = result.t_test_pairwise("C(Weight)").result_frame
    contrasts = result.t_test(
        ["C(Weight)[T.2]", "C(Weight)[T.3]", "C(Weight)[T.3] - C(Weight)[T.2]"]
    ).summary_frame()
    np.testing.assert_allclose(pairwise.iloc[:, :6].values, contrasts.values)


def test_is_a_gmm() -> None:
    x = np.column_stack([np.ones(40), np.arange(40.0)])
    result = AugmentedGMM(**_units(x)).fit()
    assert isinstance(result.model, GMM)
    assert isinstance(result._results, GMMResults)
    again = type(result.model)(
        result.model.endog, result.model.exog, **result.model._get_init_kwds()
    ).fit()
    np.testing.assert_array_equal(again.params, result.params)
    np.testing.assert_array_equal(again.bse, result.bse)
