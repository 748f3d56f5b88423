import pickle, glob, numpy as np, cells


def fmt(c):
    return f"{c.min():.3f}-{c.max():.3f}" if len(c) > 1 else f"{c[0]:.3f}"


def row(name):
    r, tr = pickle.load(open(f"raw/{name.replace('/', '_')}.pkl", "rb"))
    if (
        cells.make(name, 0).family == "binomial"
    ):  # labels separated, or nearly: refused by the package
        ok = np.abs(r["labels"][:, 0]).max(1) < 8
        r = {k: v[ok] for k, v in r.items()}
        tr = tr[ok]
    base = (r["labels"][:, 0] - tr) ** 2
    bw = np.median(r["labels"][:, 2] - r["labels"][:, 1], 0)
    out = {}
    for k, v in r.items():
        e = (v[:, 0] - tr) ** 2
        ra = e.mean(0) / base.mean(0)
        lin = (e / base.mean(0) - ra * base / base.mean(0)).mean(1)
        cov = ((v[:, 1] <= tr) & (tr <= v[:, 2])).mean(0)
        out[k] = (
            ra.mean(),
            lin.std() / np.sqrt(len(lin)),
            ra.max(),
            (np.median(v[:, 2] - v[:, 1], 0) / bw).mean(),
            cov,
            len(tr),
        )
    return out


if __name__ == "__main__":
    import os

    print(
        "| cell | draws | labels cover (new df) | default MSE / width / cover | **new** MSE (se) worst coef / width / cover | C9 plain MSE / cover | PTD all MSE / cover |\n|---|---|---|---|---|---|---|"
    )
    for n in cells.CELLS:
        if not os.path.exists(f"raw/{n.replace('/', '_')}.pkl"):
            continue
        o = row(n)
        d, w, c = o["default"], o["new"], o["C9 plain"]
        p = o.get("ptd all")
        extra = ""
        if "finite" in o:
            extra = f"; finite {o['finite'][3]:.2f} / {fmt(o['finite'][4])}"
        print(
            f"| {n} | {w[5]} | {fmt(o['labels'][4])} ({fmt(o['labels new'][4])}) | {d[0]:.2f} / {d[3]:.2f} / {fmt(d[4])} | **{w[0]:.3f}** ({w[1]:.3f}) {w[2]:.2f} / {w[3]:.2f} / {fmt(w[4])}{extra} | {c[0]:.3f} / {fmt(c[4])} | "
            + (f"{p[0]:.3f} / {fmt(p[4])} |" if p else "|")
        )
