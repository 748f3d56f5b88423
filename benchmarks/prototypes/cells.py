"""Problems to simulate: designs, heavy tails, few ones, weights."""

from dataclasses import dataclass, field
from typing import Any
import numpy as np
from scipy.special import expit


@dataclass
class Problem:
    family: str
    x: Any
    y: Any
    labelled: Any  # (T,p), (T,), bool (T,)
    sources: list  # of (y, x) or (y, x, covered)
    truth: Any = None
    prob: Any = None  # (T,)
    strata: Any = None
    clusters: Any = None
    weights: Any = None
    slope_only: bool = True  # report: coefficient index list
    finite: Any = None  # estimate from all labels


def srs(rng, T, n):
    s = np.zeros(T, bool)
    s[rng.choice(T, n, replace=False)] = True
    return s


def const(T, *cols):
    return np.column_stack([np.ones(T), *cols])


def outcome(rng, fam, lin):
    if fam == "binomial":
        return (rng.random(len(lin)) < expit(lin)).astype(float)
    return lin + rng.normal(size=len(lin))


def grid(rng, family, n, units, sources, quality, columns=2, slope=1.0):
    x = const(units, rng.normal(size=(units, columns - 1)))
    beta = np.r_[0.3, np.full(columns - 1, slope / np.sqrt(columns - 1))]
    binary = family == "binomial"
    y = outcome(rng, family, x @ beta)
    out = []
    for m in range(sources):
        own = x.copy()
        noise = {"weak": 0.5, "ordinary": 0.3}.get(quality, 0.0)
        own[:, 1:] += noise * rng.normal(size=(units, columns - 1))
        fresh = const(units, rng.normal(size=(units, columns - 1)))
        other = outcome(rng, family, fresh @ beta)
        if quality == "useless":
            out.append((other, fresh))
            continue
        wrong = (
            rng.random(units)
            < {
                "weak": 0.38 if binary else 0.7,
                "ordinary": 0.15 + 0.05 * (m % 2),
                "5": 0.05,
                "2": 0.02,
            }[quality]
        )
        out.append((np.where(wrong, 1 - y if binary else other, y), own))
    return Problem(family, x, y, np.arange(units) < n, out, beta)


def a1a(rng, T=4000, per=50):
    g = np.repeat(np.arange(4), T // 4)
    e = rng.normal(size=T)
    u = rng.normal(size=T)
    y = g + e
    s = y + 0.5 * u - 2 * g
    lab = np.zeros(T, bool)
    for k in range(4):
        lab[rng.choice(np.flatnonzero(g == k), per, replace=False)] = True
    x = np.ones((T, 1))
    return Problem(
        "gaussian",
        x,
        y,
        lab,
        [(s, x)],
        np.array([1.5]),
        prob=np.full(T, per * 4 / T),
        strata=g,
    )


def a1b(rng, T=4000, per=50, unequal=False):
    g = np.repeat(np.arange(4), T // 4)
    e = rng.normal(size=T)
    u = rng.normal(size=T)
    x1 = rng.normal(size=T)
    y = g + 0.5 * x1 + e
    s = y + 0.5 * u - 2 * g
    lab = np.zeros(T, bool)
    ns = [per] * 4 if not unequal else [per * 2, per, per // 2, per // 2]
    pr = np.empty(T)
    for k in range(4):
        lab[rng.choice(np.flatnonzero(g == k), ns[k], replace=False)] = True
        pr[g == k] = ns[k] / (T // 4)
    x = const(T, x1)
    return Problem(
        "gaussian", x, y, lab, [(s, x)], np.array([1.5, 0.5]), prob=pr, strata=g
    )


def a1small(rng, T=3000, H=30, per=2):
    """30 strata, two labels in each (per=1: A3)."""
    g = np.repeat(np.arange(H), T // H)
    mu = np.linspace(-1, 1, H)[g]
    e = rng.normal(size=T)
    x1 = rng.normal(size=T)
    y = mu + x1 + e
    s = y + 0.5 * rng.normal(size=T) - 1.5 * mu
    lab = np.zeros(T, bool)
    for k in range(H):
        lab[rng.choice(np.flatnonzero(g == k), per, replace=False)] = True
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        lab,
        [(s, const(T, x1))],
        np.array([0, 1.0]),
        prob=np.full(T, per * H / T),
        strata=g,
    )


def a1c(rng, G=60, size=60, per=10, family="gaussian"):
    T = G * size
    c = np.repeat(np.arange(G), size)
    b, d = rng.normal(size=G)[c], rng.normal(size=G)[c]
    x1 = rng.normal(size=T) + 0.5 * rng.normal(size=G)[c]
    y = 0.3 + x1 + 0.7 * b + rng.normal(size=T)
    s = y + 0.5 * rng.normal(size=T) - 1.4 * b + 0.3 * d
    lab = np.zeros(T, bool)
    for k in range(G):
        lab[rng.choice(np.flatnonzero(c == k), per, replace=False)] = True
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        lab,
        [(s, const(T, x1))],
        np.array([0.3, 1]),
        clusters=c,
    )


def a1c2(rng, G=200, size=20, Gl=40, per=5):
    """Only some clusters have labels."""
    T = G * size
    c = np.repeat(np.arange(G), size)
    b = rng.normal(size=G)[c]
    x1 = rng.normal(size=T) + 0.5 * rng.normal(size=G)[c]
    y = 0.3 + x1 + 0.5 * b + rng.normal(size=T)
    s = y + 0.5 * rng.normal(size=T) + 0.3 * b
    lab = np.zeros(T, bool)
    for k in rng.choice(G, Gl, replace=False):
        lab[rng.choice(np.flatnonzero(c == k), per, replace=False)] = True
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        lab,
        [(s, const(T, x1))],
        np.array([0.3, 1]),
        clusters=c,
    )


def poisson(rng, pr):
    return rng.random(len(pr)) < pr


def a1d(rng, T=1000):
    hi = rng.random(T) < 0.15
    x1 = rng.normal(size=T)
    y = 0.3 + x1 + rng.normal(size=T)
    s = np.where(hi, y + 2 * rng.normal(size=T), y + 0.5 * rng.normal(size=T))
    pr = np.where(hi, 0.9, 0.06)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        poisson(rng, pr),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
        prob=pr,
    )


def b6a(rng, T=3000, n=100, family="gaussian", ratio=20.0, sizes=None):
    x1 = rng.normal(size=T)
    r = (
        np.where(rng.random(T) < 0.5, 1.0, ratio)
        if sizes is None
        else np.exp(rng.uniform(0, np.log(ratio), T))
    )
    pr = r / r.sum() * n
    beta = np.array([0.3, 1.0])
    y = outcome(rng, family, const(T, x1) @ beta)
    if family == "binomial":
        s = np.where(rng.random(T) < 0.15, 1 - y, y)
    else:
        s = 0.8 * y + 0.6 * rng.normal(size=T)
    return Problem(
        family, const(T, x1), y, poisson(rng, pr), [(s, const(T, x1))], beta, prob=pr
    )


def b6w(rng, T=2000, n=100):
    """Informative survey weights: w goes with y and x."""
    x1 = rng.normal(size=T)
    e = rng.normal(size=T)
    y = 0.3 + x1 + e
    w = np.exp(0.6 * e + 0.5 * x1 + 0.4 * rng.normal(size=T))
    s = 0.8 * y + 0.6 * rng.normal(size=T)
    # weighted population: e has mean .6 under weights exp(.6 e): intercept .9
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.9, 1.0]),
        weights=w,
    )


def b6d(rng, T=2000, n=100, ones=4, family="gaussian"):
    x1 = rng.normal(size=T)
    d = (rng.random(T) < ones / n).astype(float)
    # exactly `ones` among the labels
    lab = np.zeros(T, bool)
    lab[rng.choice(np.flatnonzero(d == 1), ones, replace=False)] = True
    lab[rng.choice(np.flatnonzero(d == 0), n - ones, replace=False)] = True
    x = const(T, x1, d)
    beta = np.array([0.3, 1, 1.0])
    y = outcome(rng, family, x @ beta)
    s = 0.8 * y + 0.6 * rng.normal(size=T)
    return Problem(family, x, y, lab, [(s, x)], beta)


def b7(rng, n=60, T=5000):
    x1 = np.exp(rng.normal(size=T))
    y = 0.3 + x1 + rng.normal(size=T)
    s = 0.6 * y + 0.5 * rng.normal(size=T) + np.sqrt(x1)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b7good(rng, n=60, T=5000):
    """The same x and a source that is right but for noise."""
    x1 = np.exp(rng.normal(size=T))
    y = 0.3 + x1 + rng.normal(size=T)
    s = 0.8 * y + 0.5 * rng.normal(size=T)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b7hetero(rng, n=60, T=5000):
    """Heteroskedastic in x, source knows the errors: the tail matters for y as well."""
    x1 = np.exp(rng.normal(size=T))
    y = 0.3 + x1 + 0.5 * (0.5 + x1) * rng.normal(size=T)
    s = y + 0.3 * (0.5 + x1) * rng.normal(size=T)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b7t(rng, n=60, T=5000):
    x1 = rng.standard_t(2.5, size=T)
    y = 0.3 + x1 + rng.standard_t(3, size=T)
    s = 0.7 * y + 0.5 * rng.normal(size=T) + 0.3 * np.abs(x1)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b7curved(rng, n=60, T=5000):
    """The outcome is as curved as the source: the coefficients of the best fit."""
    x1 = np.exp(rng.normal(size=T))
    s_ = 2 * np.sqrt(x1)
    y = s_ + rng.normal(size=T)
    s = 0.8 * y + 0.5 * rng.normal(size=T)
    return Problem(
        "gaussian", const(T, x1), y, srs(rng, T, n), [(s, const(T, x1))], CURVED
    )


def quad(rng, n=60, T=3000, both=True):
    """Normal x, outcome (and source) quadratic in it."""
    x1 = rng.normal(size=T)
    y = 0.3 + x1 + (0.5 * (x1**2 - 1) if both else 0) + rng.normal(size=T)
    s = 0.8 * y + 0.5 * rng.normal(size=T) + (0 if both else 0.5 * x1**2)
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b8(rng, n=60, T=2000, share=0.3, size=3.0):
    x1 = rng.normal(size=T)
    y = 0.3 + x1 + rng.normal(size=T)
    wrong = (x1 > 1.0) & (rng.random(T) < share)
    s = y + 0.1 * rng.normal(size=T) + size * wrong
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def b8logit(rng, n=60, T=2000):
    x1 = rng.normal(size=T)
    y = outcome(rng, "binomial", 0.3 + x1)
    s = np.where((x1 > 0.8) & (rng.random(T) < 0.3), 1.0, y)
    return Problem(
        "binomial",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1))],
        np.array([0.3, 1]),
    )


def c9logit(rng, n=60, T=2000):
    x1 = rng.normal(size=(T, 2))
    x = const(T, x1)
    beta = np.array([0.2, 0.8, -0.6])
    y = outcome(rng, "binomial", x @ beta)
    s1 = np.where(rng.random(T) < 0.1, 1 - y, y)
    s2 = np.where(rng.random(T) < 0.15, 1 - y, y)
    x2 = x.copy()
    x2[:, 1:] += 0.3 * rng.normal(size=(T, 2))
    return Problem("binomial", x, y, srs(rng, T, n), [(s1, x), (s2, x2)], beta)


def c9linear(rng, n=60, T=2000, useless=False):
    x1 = rng.normal(size=(T, 2))
    x = const(T, x1)
    beta = np.array([0.2, 0.8, -0.6])
    y = outcome(rng, "gaussian", x @ beta)
    so = []
    for k in range(3):
        if useless:
            f = const(T, rng.normal(size=(T, 2)))
            so.append((outcome(rng, "gaussian", f @ beta), f))
        else:
            so.append((y + (0.6 + 0.2 * k) * rng.normal(size=T), x))
    return Problem("gaussian", x, y, srs(rng, T, n), so, beta)


def cover(rng, n=100, T=3000, share=0.3, selective=False):
    x1 = rng.normal(size=T)
    y = 0.3 + x1 + rng.normal(size=T)
    s = y + 0.5 * rng.normal(size=T)
    c = rng.random(T) < (share if not selective else expit(-1 + y))
    return Problem(
        "gaussian",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1), c)],
        np.array([0.3, 1]),
    )


def cover_logit(rng, n=100, T=3000, share=0.5):
    x1 = rng.normal(size=T)
    y = outcome(rng, "binomial", 0.3 + x1)
    s = np.where(rng.random(T) < 0.12, 1 - y, y)
    c = rng.random(T) < share
    return Problem(
        "binomial",
        const(T, x1),
        y,
        srs(rng, T, n),
        [(s, const(T, x1), c)],
        np.array([0.3, 1]),
    )


# ---- real data
import pandas as pd, functools
from pathlib import Path

SH = str(Path(__file__).resolve().parents[3] / "shared" / "data") + "/"


@functools.lru_cache
def real_data(name):
    if name == "politeness":
        f = pd.read_csv(SH + "politeness.csv")
        T = len(f)
        x = const(T, f.hashedge, f.first_person_pl, np.log(f.n_words)).astype(float)
        return "binomial", x, f.y.to_numpy(float), [(f.yhat_gpt4o.to_numpy(float), x)]
    if name == "alphafold":
        f = pd.read_csv(SH + "alphafold.csv")
        T = len(f)
        x = const(T, f.phosphorylated, f.ubiquitinated, f.acetylated).astype(float)
        x = x[:, :2]
        return "binomial", x, f.y.to_numpy(float), [(f.yhat.to_numpy(float), x)]
    f = pd.read_csv(SH + "twin_wide.csv")
    v = ["Fairness", "Trust", "Work_vs_Luck", "Father_education"]
    cols = [a + "_" + b for a in ("h", "l", "l2") for b in ["Redistribution_1"] + v]
    cols = [c for c in cols if c in f]
    g = f[cols].dropna()
    T = len(g)
    d = lambda a: const(T, *[g[f"{a}_{b}"] for b in v]).astype(float)
    y = lambda a: g[f"{a}_Redistribution_1"].to_numpy(float)
    return "gaussian", d("h"), y("h"), [(y("l"), d("h")), (y("l2"), d("l2"))]


@functools.lru_cache
def real_truth(name):
    import glm

    fam, x, y, _ = real_data(name)
    return glm.fit(fam, x, y, np.ones(len(y)))


def real(rng, name, n, T=None, finite=False):
    fam, x, y, so = real_data(name)
    if finite:
        idx = np.arange(len(y))
    else:
        idx = rng.integers(0, len(y), len(y))
    return Problem(
        fam,
        x[idx],
        y[idx],
        srs(rng, len(y), n),
        [tuple(a[idx] for a in s) for s in so],
        real_truth(name),
    )


# E sqrt x and E x sqrt x for lognormal: slope = cov / var
_m1, _m2, _h, _xh = np.exp(0.5), np.exp(2.0), np.exp(0.125), np.exp(1.125)
_sl = 2 * (_xh - _m1 * _h) / (_m2 - _m1**2)
CURVED = np.array([2 * _h - _sl * _m1, _sl])
CELLS = {}


def add(name, fun, *a, **k):
    CELLS[name] = (fun, a, k)


add("A1 y~1 strata", a1a)
add("A1 y~x strata", a1b)
add("A1 y~x strata unequal", a1b, unequal=True)
add("A1 30 strata x2", a1small, per=2)
add("A1 10 strata x6", a1small, H=10, per=6)
add("A3 30 strata x1", a1small, per=1)
add("A1 60 clusters", a1c)
add("A1 40 of 200 clusters", a1c2)
add("A1 prob .9/.06", a1d)
add("B6 20:1 two", b6a)
add("B6 20:1 smooth", b6a, sizes=1)
add("B6 20:1 logit", b6a, family="binomial", sizes=1, n=150)
add("B6 20:1 smooth n200", b6a, sizes=1, n=200)
add("B6 20:1 two n250", b6a, n=250)
add("B6 dummy 3", b6d, ones=3)
add("B6 dummy 6", b6d, ones=6)
add("B6 dummy 10", b6d, ones=10)
add("B6 dummy logit 6", b6d, ones=6, family="binomial", n=100)
add("B6 inf weights", b6w)
add("B6 dummy 4", b6d)
add("B6 dummy 4 n40", b6d, n=40, ones=4)
for n in (60, 100, 300, 1000):
    add(f"B7 n{n}", b7, n=n)
for n in (60, 300):
    add(f"B7good n{n}", b7good, n=n)
    add(f"B7hetero n{n}", b7hetero, n=n)
    add(f"B7t n{n}", b7t, n=n)
for n in (60, 300):
    add(f"B7curved n{n}", b7curved, n=n)
    add(f"quad both n{n}", quad, n=n)
    add(f"quad source n{n}", quad, n=n, both=False)
add("B8 n60", b8)
add("B8 n200", b8, n=200)
add("B8 logit n100", b8logit, n=100)
add("C9 logit2 n60", c9logit)
add("C9 linear3 n60", c9linear)
add("C9 useless3 n60", c9linear, useless=True)
for fam in ("gaussian", "binomial"):
    f = fam[:3]
    for q in ("useless", "ordinary"):
        for n in (40, 60, 100, 300, 1000):
            add(f"O {f} {q} n{n}", grid, fam, n, max(2 * n, 1000), 2, q)
    for q in ("5", "2"):
        for n in (50, 100, 200):
            add(f"S {f} {q} s2 n{n}", grid, fam, n, 1000, 2, q, slope=2.0)
    for q in ("useless", "weak", "ordinary", "5"):
        add(f"P5 {f} {q} n100", grid, fam, 100, 2000, 5, q, columns=5)
add("cover .3", cover)
add("cover selective", cover, selective=True)
add("cover logit", cover_logit)
for nm in ("politeness", "twin", "alphafold"):
    for n in (100, 300) if nm == "politeness" else (60, 100, 300):
        add(f"R {nm} n{n}", real, nm, n)
for nm, n in (
    ("politeness", 200),
    ("politeness", 1500),
    ("twin", 100),
    ("twin", 500),
    ("alphafold", 300),
    ("alphafold", 3000),
):
    add(f"F {nm} n{n}", real, nm, n, finite=True)


def make(name, seed):
    fun, a, k = CELLS[name]
    return fun(np.random.default_rng([seed, sum(map(ord, name)) % 1000]), *a, **k)
