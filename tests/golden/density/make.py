#!/usr/bin/env python3
"""Golden numbers for pycno-density, recomputed without the crate. Needs numpy and scipy only.

usage: make.py --data SHARED_DATA [--out golden.json]
Reads SHARED_DATA/densing-law/{extfig1a_loss_points,extfig1b_performance_points,fitted_constants}.csv.
"""
import argparse, csv, json, os
import numpy as np
from scipy.optimize import minimize, nnls, brentq

DELTA = 1e-3

def g(x, k=12): return float(f"{float(x):.{k}g}")
def gl(v, k=12): return [g(x, k) for x in np.ravel(v)]

# ---------- section 8 surfaces
SURF = {"symmetric": (.31, .31), "chinchilla": (.34, .28), "asymmetric": (.465, .155)}
BUDGETS = [1e17, 1e18, 1e19, 1e20, 1e21]
def nstar(C, al, be):
    G = (406.4 * al / (410.7 * be)) ** (1 / (al + be))
    return G * (C / 6) ** (be / (al + be))
def loss(N, D, al, be): return 1.69 + 406.4 * N ** -al + 410.7 * D ** -be
def surface(al, be):
    N, D = [], []
    for C in BUDGETS:
        n = nstar(C, al, be)
        v = np.exp(np.linspace(np.log(n / 8), np.log(8 * n), 15))
        N += list(v); D += list(C / (6 * v))
    N, D = np.array(N), np.array(D)
    return N, D, loss(N, D, al, be)

# ---------- generic fitter of [E +] a N^-alpha + b D^-beta
def resjac(p, lN, lD, L, e, log):
    A = np.exp(p[0] - p[1] * lN); B = np.exp(p[2] - p[3] * lD)
    f = A + B; cols = [A, -lN * A, B, -lD * B]
    if e:
        E = np.exp(p[4]); f = f + E; cols.append(np.full(len(A), E))
    J = np.stack(cols, 1)
    return (np.log(f / L), J / f[:, None]) if log else (f - L, J)
def obj(r, kind):
    if kind == "huber_log":
        a = np.abs(r); return float(np.where(a <= DELTA, .5 * r * r, DELTA * (a - .5 * DELTA)).sum())
    return float((r * r).sum())
def psi(r, kind): return np.clip(r, -DELTA, DELTA) if kind == "huber_log" else 2 * r

def newton(fun, p, iters=60):
    """Damped Newton on an analytic gradient; the Hessian by central differences of the gradient."""
    n = len(p); f, gr = fun(p)
    for _ in range(iters):
        H = np.empty((n, n))
        for i in range(n):
            h = 1e-6 * max(1.0, abs(p[i])); q = p.copy(); q[i] += h; gp = fun(q)[1]
            q[i] -= 2 * h; H[:, i] = (gp - fun(q)[1]) / (2 * h)
        H = .5 * (H + H.T); w, V = np.linalg.eigh(H); w = np.maximum(np.abs(w), 1e-14 * np.abs(w).max())
        step = -(V / w) @ (V.T @ gr); t = 1.0; done = True
        for _ in range(40):
            q = p + t * step; fq, gq = fun(q)
            if fq < f or (fq <= f * (1 + 1e-15) and np.linalg.norm(gq) < np.linalg.norm(gr)):
                done = False; break
            t *= .5
        if done: break
        small = np.max(np.abs(q - p)) < 1e-14 * max(1, np.max(np.abs(p)))
        p, f, gr = q, fq, gq
        if small: break
    return p, f, gr

def polish(p, lN, lD, L, e, kind):
    log = kind.endswith("log")
    def fun(q):
        with np.errstate(all="ignore"):
            r, J = resjac(q, lN, lD, L, e, log)
            v = obj(r, kind)
        return (v, J.T @ psi(r, kind)) if np.isfinite(v) else (np.inf, np.zeros(len(q)))
    for _ in range(4):   # whitened BFGS, then Newton
        r, J = resjac(p, lN, lD, L, e, log)
        if not np.all(np.isfinite(J)): return p, np.inf, np.zeros(len(p))
        w = 1 / np.sqrt(np.maximum(np.abs(r), DELTA)) if kind == "huber_log" else np.ones(len(r))
        R = np.linalg.qr(J * w[:, None], mode="r"); R = R + 1e-13 * np.abs(R).max() * np.eye(len(p))
        Ri = np.linalg.inv(R); sc = max(fun(p)[0], 1e-30)
        def fz(z):
            v, gr = fun(p + Ri @ z)
            return (v / sc, Ri.T @ gr / sc) if np.isfinite(v) else (1e9, np.zeros(len(p)))
        s = minimize(fz, np.zeros(len(p)), jac=True, method="BFGS", options=dict(maxiter=500, gtol=1e-11))
        p = p + Ri @ s.x
    return newton(fun, p)

def starts_grid(N, D, L, e, log, m=24, lo=.02, hi=1.2, top=24, sub=20):
    """Every local minimum of the variable-projection map, its best nodes and an even sample of the rest."""
    al = np.linspace(lo, hi, m); Q = np.empty((m, m)); P = {}
    w = 1 / L if log else np.ones(len(L))
    for i, a in enumerate(al):
        for j, b in enumerate(al):
            X = np.stack([N ** -a, D ** -b] + ([np.ones(len(N))] if e else []), 1) * w[:, None]
            s = X.max(0); c, rn = nnls(X / s, L * w); Q[i, j] = rn; P[i, j] = c / s
    order = sorted((Q[i, j], i, j) for i in range(m) for j in range(m))
    pick = {(i, j) for i in range(m) for j in range(m)
            if Q[i, j] <= Q[max(i - 1, 0):i + 2, max(j - 1, 0):j + 2].min()}
    pick |= {(i, j) for _, i, j in order[:top]} | {(i, j) for _, i, j in order[top::max(1, len(order) // sub)]}
    out = []
    for i, j in sorted(pick):
        c = np.where(P[i, j] < 1e-9, np.array([1., 1., .5])[:len(P[i, j])], P[i, j])
        out.append(np.array([np.log(c[0]), al[i], np.log(c[1]), al[j]] + ([np.log(c[2])] if e else [])))
    return out

def fit(N, D, L, e, kind, starts):
    lN, lD = np.log(N), np.log(D); res = []
    for p in starts:
        try: p, f, gr = polish(np.array(p, float), lN, lD, L, e, kind)
        except np.linalg.LinAlgError: continue
        if np.isfinite(f) and p[1] > 0 and p[3] > 0: res.append((f, p, gr))
    res.sort(key=lambda t: t[0]); out = []
    for f, p, gr in res:
        for o in out:
            if abs(f / o["obj"] - 1) < 1e-7 and np.allclose(p[[1, 3]], o["p"][[1, 3]], atol=1e-4):
                o["starts"] += 1; break
        else: out.append(dict(obj=f, p=p, starts=1, grad=float(np.abs(gr).max())))
    return out, len(starts)

def named(o, e):
    p = o["p"]
    r = dict(a=g(np.exp(p[0]), 10), alpha=g(p[1], 10), b=g(np.exp(p[2]), 10), beta=g(p[3], 10), objective=g(o["obj"], 10),
             gradient_inf=float(f"{o['grad']:.1e}"), starts=o["starts"])
    if e: r["E"] = g(np.exp(p[4]), 10)
    return r

def section8():
    out = {}
    for k, (al, be) in SURF.items():
        N, D, L = surface(al, be); n = nstar(1e19, al, be)
        sp, f = None, None
        st = starts_grid(N, D, L, True, True, m=14, top=3, sub=6)
        mins, ns = fit(N, D, L, True, "squares_log", st); b = mins[0]; p = b["p"]
        true = np.array([np.log(406.4), al, np.log(410.7), be, np.log(1.69)])
        out[k] = dict(alpha=al, beta=be, N_star_1e19=g(n), D_star_1e19=g(1e19 / (6 * n)),
                      L_star_1e19=g(loss(n, 1e19 / (6 * n), al, be), 13), sum_of_75=g(L.sum(), 13), first=g(L[0], 13), last=g(L[-1], 13),
                      recovered=dict(obj=float(f"{b['obj']:.2e}"), worst_relative_error=float(f"{np.max(np.abs(np.exp(p[[0,2,4]])/np.exp(true[[0,2,4]])-1)):.1e}"),
                                     worst_exponent_error=float(f"{np.max(np.abs(p[[1,3]]/true[[1,3]]-1)):.1e}")))
    N, D, L = surface(.34, .28); i = np.arange(75); L = L * np.exp(.01 * np.sin(i.astype(float) ** 2))
    noise = dict(first_three=gl(L[:3], 13), sum=g(L.sum(), 13), objectives={})
    for kind in ("huber_log", "squares_log", "squares"):
        st = starts_grid(N, D, L, True, kind.endswith("log"), m=20, lo=.05, hi=.95)
        mins, ns = fit(N, D, L, True, kind, st)
        best = mins[0]["obj"]
        noise["objectives"][kind] = dict(starts=ns, within_1e8=sum(m["starts"] for m in mins if m["obj"] <= best * (1 + 1e-8)),
                                         minima=[named(m, True) for m in mins if m["obj"] <= 2 * best])
    out["noisy_chinchilla"] = noise
    return out

# ---------- Densing points
ROWS = ["MMLU", "BBH", "MATH", "MBPP", "HUMANEVAL", "AVERAGE", "AVG4"]
def read(path):
    with open(path) as fh: return list(csv.DictReader(fh))
def col(rows, name): return np.array([float(r[name]) for r in rows])
def avg4(rows, pre):
    c = lambda k: col(rows, pre + k)
    return (c("MMLU") + c("BBH") + c("MATH") + (c("HUMANEVAL") + c("MBPP")) / 2) / 4

def densing(data):
    base = os.path.join(data, "densing-law"); A = read(os.path.join(base, "extfig1a_loss_points.csv"))
    Bp = [r for r in read(os.path.join(base, "extfig1b_performance_points.csv")) if r["role"] == "fit"]
    FC = {r["benchmark"]: r for r in read(os.path.join(base, "fitted_constants.csv"))}
    N, D = col(A, "N"), col(A, "D_tokens"); lN, lD = np.log(N), np.log(D); out = {}
    for k in ROWS:
        L = avg4(A, "loss_") if k == "AVG4" else col(A, "loss_" + k)
        pub, _ = fit(N, D, L, False, "squares", [np.array([np.log(1.), .1, np.log(100.), .3])])
        st = starts_grid(N, D, L, False, False); mins, ns = fit(N, D, L, False, "squares", st)
        mins = [m for m in mins if m["obj"] < .1 and m["p"][1] < 3 and m["p"][3] < 3]
        tss = float(((L - L.mean()) ** 2).sum())
        rec = dict(from_published_start={**named(pub[0], False), "R2": g(1 - pub[0]["obj"] / tss, 9)},
                   minima=[named(m, False) for m in mins], grid_starts=ns)
        f = FC[k]; c = rec["from_published_start"]
        rec["relative_difference_refit_over_published"] = {q: g(c[q] / float(f[q]) - 1, 6) for q in ("a", "alpha", "b", "beta")}
        rec["sse_at_published_constants"] = g(((float(f["a"]) * N ** -float(f["alpha"]) + float(f["b"]) * D ** -float(f["beta"]) - L) ** 2).sum(), 10)
        if f["other_basin_a"]:
            o = [m for m in rec["minima"] if abs(m["alpha"] / float(f["other_basin_alpha"]) - 1) < .02]
            if o: rec["relative_difference_other_basin"] = {q: g(o[0][q] / float(f["other_basin_" + q]) - 1, 6) for q in ("a", "alpha", "b", "beta")}
        # score: sigmoid on the ten small models and the anchor (0, 100); c, d >= 0
        x = avg4(Bp, "loss_") if k == "AVG4" else col(Bp, "loss_" + k)
        y = avg4(Bp, "score_") if k == "AVG4" else col(Bp, "score_" + k)
        rec["score"] = score_fit(x, y, f)
        out[k] = rec
    # AVG4 as used by densing-law.md: score terms are those of AVERAGE
    out["largest_difference_of_AVERAGE_and_AVG4_points"] = dict(
        loss=g(np.abs(avg4(Bp, "loss_") - col(Bp, "loss_AVERAGE")).max(), 6), score=g(np.abs(avg4(Bp, "score_") - col(Bp, "score_AVERAGE")).max(), 6))
    return out

def score_fit(x, y, f):
    X, Y = np.append(x, 0.), np.append(y, 100.)
    def run(free):
        """free: is d a parameter (else d = 0)? returns best of several starts"""
        def fun(p):
            c, ga, l = np.exp(p[0]), -np.exp(p[1]), p[2]; d = p[3] if free else 0.
            s = 1 / (1 + np.exp(np.clip(-ga * (X - l), -700, 700))); r = d + c * s - Y; w = c * s * (1 - s)
            J = [c * s, w * (X - l) * ga, -w * ga] + ([np.ones(len(X))] if free else []); J = np.stack(J, 1)
            return float((r * r).sum()), 2 * J.T @ r
        best = None
        for c0 in (60., 80., 100.):
            for g0 in (15., 25., 40.):
                for l0 in (x.mean(), np.median(x), x.min()):
                    p = np.array([np.log(c0), np.log(g0), l0] + ([10.] if free else []))
                    s = minimize(fun, p, jac=True, method="BFGS", options=dict(maxiter=2000, gtol=1e-9))
                    p, v, gr = newton(fun, s.x)
                    if best is None or v < best[1]: best = (p, v, gr)
        return best
    b = run(True); bound = False
    if b[0][3] < 0: b = run(False); bound = True
    p = b[0]; c, ga, l, d = np.exp(p[0]), -np.exp(p[1]), p[2], 0. if bound else p[3]
    s = d + c / (1 + np.exp(-ga * (x - l))); tss = ((y - y.mean()) ** 2).sum(); sse10 = ((y - s) ** 2).sum()
    out = dict(c=g(c, 10), gamma=g(ga, 10), l=g(l, 10), d=g(d, 10), d_at_bound=bound, sse_11_points=g(b[1], 10),
               sse_10_points=g(sse10, 10), R2_10_points=g(1 - sse10 / tss, 9), gradient_inf=float(f"{np.abs(b[2]).max():.1e}"))
    out["relative_difference_refit_over_published"] = {q: (g(out[q] / float(f[q]) - 1, 6) if abs(float(f[q])) > 1e-3 else None) for q in ("c", "gamma", "l", "d")}
    return out

# ---------- forms: prediction and gradient by complex step
def cstep(fn, p, x):
    p = np.array(p, float); out = []
    for i in range(len(p)):
        q = p.astype(complex); h = 1e-30 * max(1., abs(p[i])); q[i] += 1j * h
        out.append(fn(q, x).imag / h)
    return out
def kaplan(p, x): Nc, aN, Dc, aD = p; return ((Nc / x[0]) ** (aN / aD) + Dc / x[1]) ** aD
def sparsity(p, x): aS, bS, cS, bN, aD, bD, c = p; S, N, D = x; return (aS * (1 - S) ** bS + cS) * N ** -bN + (aD / D) ** bD + c
def p2(p, x): NC, al, DC, be, E, ga, de = p; L0, r, N0, D = x; return L0 + (1 / r) ** ga * (1 / N0) ** de * (NC / N0 ** al + DC / D ** be + E)
def distill(p, x):
    A, al, B, be, ga, c0, c1, f1, d1 = p; N, D, LT, Ls = x   # Ls: supervised loss of the student
    return LT + LT ** -c0 * (1 + (LT / (Ls * d1)) ** (1 / f1)) ** (-c1 * f1) * (A / N ** al + B / D ** be) ** ga
def compression(p, x): a, b, c, d, e, eff = p; return a / (x[0] * eff) ** b + c / x[1] ** d + e

FORMS = [
 ("kaplan", "((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D", kaplan, ["N_c", "alpha_N", "D_c", "alpha_D"], ["N", "D"],
  {"joint fit, printed in arXiv:2001.08361 (from memory and brief)": [6.4e13, .076, 1.8e13, .103], "separate fits": [8.8e13, .076, 5.4e13, .095]},
  [[1e6, 1e9], [1e8, 1e9], [1e8, 2e10], [1.5e9, 3e10], [1e10, 1e12], [175e9, 3e11]]),
 ("sparsity", "(a_S (1-S)^b_S + c_S) N^-b_N + (a_D/D)^b_D + c; N non-zero", sparsity, ["a_S", "b_S", "c_S", "b_N", "a_D", "b_D", "c"], ["S", "N", "D"],
  {"chosen here (size of the published T5 row, from memory)": [16.8, .722, 45., .245, 6.9e8, .203, .651]},
  [[0., 1e8, 1e10], [.5, 1e8, 1e10], [.75, 5e7, 1e10], [.875, 2.5e7, 1e11], [.9, 1e9, 1e12]]),
 ("p2", "L0 + (1/rho)^gamma (1/N0)^delta (N_C/N0^alpha + D_C/D^beta + E)", p2, ["N_C", "alpha", "D_C", "beta", "E", "gamma", "delta"], ["L0", "rho", "N0", "D"],
  {"chosen here": [40., .25, 300., .3, .6, .45, .05]},
  [[2.2, .15, 1e9, 1e9], [2.2, .35, 1e9, 1e9], [2.2, .35, 1e9, 2e10], [1.9, .25, 8e9, 5e9], [1.7, .5, 7e10, 1e11]]),
 ("distillation", "L_T + L_T^-c0 (1 + (L_T/(Lt_S d1))^(1/f1))^(-c1 f1) (A/N^alpha + B/D^beta)^gamma", distill, ["A", "alpha", "B", "beta", "gamma", "c0", "c1", "f1", "d1"], ["N", "D", "L_T", "Lt_S"],
  {"chosen here, mild": [2243., .321, 24181., .637, .764, 2.549, .09, .522, 1.315],
   "chosen here, stiff (size of the published values, from memory)": [2243., .321, 24181., .637, .764, 2.549, 522.6, .09, 1.315]},
  [[1.5e8, 3e9, 2.6, 3.1], [3e8, 1e10, 2.4, 2.8], [1e9, 2e10, 2.2, 2.5], [1e9, 2e10, 2.6, 2.5], [7e9, 1e12, 1.9, 2.1]]),
 ("compression", "a/(N eff)^b + c/D^d + e", compression, ["a", "b", "c", "d", "e", "eff"], ["N", "D"],
  {"4-bit weights": [406.4, .34, 410.7, .28, 1.69, .923], "1-bit all": [406.4, .34, 410.7, .28, 1.69, .067], "50 % sparse": [406.4, .34, 410.7, .28, 1.69, .871]},
  [[1e7, 1e9], [1e8, 1e10], [1e9, 1e11], [7e9, 2e12]]),
]
def forms():
    out = {}
    for name, text, fn, pn, xn, sets, xs in FORMS:
        v = {}
        for label, p in sets.items():
            rows = []
            for x in xs:
                gr = cstep(fn, p, x); fd = []
                for i in range(len(p)):       # guard: the complex step against a central difference
                    h = 1e-6 * abs(p[i]); q = list(p); q[i] += h; u = fn(q, x); q[i] -= 2 * h; fd.append((u - fn(q, x)) / (2 * h))
                assert np.allclose(gr, fd, rtol=2e-5, atol=1e-9 * np.abs(np.array(gr) * np.array(p)).max() / np.abs(np.array(p))), (name, x, gr, fd)
                lg = [a * b for a, b in zip(gr, p)]
                rows.append(dict(x=x, loss=g(fn(p, x), 14), gradient=gl(gr, 12), gradient_wrt_ln_parameter=gl(lg, 12)))
            v[label] = dict(parameters=p, rows=rows)
        out[name] = dict(form=text, parameter_names=pn, variable_names=xn, sets=v)
    return out

if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("--data", required=True); ap.add_argument("--out", default="golden.json"); a = ap.parse_args()
    R = dict(section8=section8(), densing=densing(a.data), forms=forms())
    with open(a.out, "w") as fh: json.dump(R, fh, indent=1); fh.write("\n")
