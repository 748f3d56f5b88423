import sys, time, warnings, pickle, os

warnings.simplefilter("ignore")
import cells, sim
from augment import estimate, new, ptd
from today import today

M = {
    "default": lambda P, sh: today(P),
    "new": lambda P, sh: new(P, sh),
    "C9 plain": lambda P, sh: estimate(P, sh=sh, cands=("fr", "sr"), dfrule="np"),
}
draws = int(sys.argv[1])
out = sys.argv[2]
os.makedirs("raw", exist_ok=True)
names = [n for a in sys.argv[3:] for n in cells.CELLS if n.startswith(a)]
for name in names:
    f = f"raw/{name.replace('/', '_')}.pkl"
    if os.path.exists(f):
        continue
    mm = dict(M)
    if cells.make(name, 0).clusters is None:
        mm["ptd"] = lambda P, sh: ptd(P, sh)
        mm["ptd all"] = lambda P, sh: ptd(P, sh, True)
    t = time.time()
    r, tr = sim.run(name, draws, mm)
    sim.report(name, r, tr, out)
    print("  ", round(time.time() - t, 1), flush=True)
    pickle.dump((r, tr), open(f, "wb"))
