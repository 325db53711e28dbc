"""Published tables and figures that two cores reach in minutes: the same experiment, and what comes out.

    boltzmann    Salakhutdinov and Murray (2008): log Z of machines of 20 hidden units by CD-1, CD-3 and CD-25, exact and annealed
    gradients    Rainforth et al. (2018), Tucker et al. (2018): signal-to-noise ratio of the encoder's gradient by k and estimator
    linear       Lucas et al. (2019): the linear VAE finds pPCA, and loses a dimension where sigma² passes its variance
    pixels       Loaiza-Ganem and Cunningham (2019): grey digits under a Bernoulli and under a continuous Bernoulli
    documents    Miao et al. (2016): perplexity of 20 Newsgroups by a code of 50 dimensions, beside the frequencies of words

LATENTE_DATA=FOLDER python benchmarks/published.py boltzmann
"""

import argparse
import lzma
import math
import os
import time
from pathlib import Path

import torch
from torch import nn
from torch.distributions import Independent, Normal

import latente
from common import store
from latente import conditionals, distributions, priors, recipes
from latente.data.examples import Examples
from latente.evaluation.bounds import draw, evaluating, importance_weighted
from latente.models import RBM, VAE
from latente.models.ais import settled
from latente.nn import MLP
from latente.objectives import ELBO, IWAE, ContrastiveDivergence
from latente.schedules import Clock, linear
from latente.training import Trainer


def digits():
    data = latente.load_data("mnist")
    return data.train.fixed(), data.test.fixed()


def bits_of(examples, n):
    """Returns images as bits, drawn once."""
    grey = examples.subset(n).batch(slice(None))[0]
    return (
        torch.bernoulli(grey, generator=torch.Generator().manual_seed(0)) if (grey % 1 != 0).any() else grey
    )


def boltzmann(options):
    train, test = digits()
    x, held = bits_of(train, 50_000), bits_of(test, 10_000).flatten(1)
    rows = {}
    for k in (1, 3, 25):
        torch.manual_seed(0)
        rbm = RBM((1, 28, 28), 20)
        how = {
            "optimizer": "sgd",
            "lr": 0.05,
            "momentum": 0.9,
            "lr_schedule": "constant",
            "threads": options.threads,
        }
        started = time.perf_counter()
        Trainer(rbm, ContrastiveDivergence(k), steps=options.steps or 6000, batch=100, **how).fit(Examples(x))
        rbm.meet(x.mean(0), len(x))
        rbm.requires_grad_(False)
        exact, found = rbm.listed().item(), settled(rbm)
        rows[f"CD-{k}"] = {
            "seconds": time.perf_counter() - started,
            "exact log Z": exact,
            "annealed log Z": found.log_z.item(),
            "its standard error": found.se,
            "effective chains": found.ess,
            "temperatures": found.temperatures,
            "test log-likelihood": -(rbm.free_energy(held).double().mean().item() + exact),
        }
        print(k, rows[f"CD-{k}"], flush=True)
    store("published-boltzmann", rows)


def gradients(options):
    """A linear model near its optimum, as in both papers; the gradient of the encoder's bias over many repetitions."""
    torch.manual_seed(0)
    d, n = 20, 1024
    true = torch.randn(d)
    x = true + torch.randn(n, d) * math.sqrt(2)

    class Model(latente.Model):
        def __init__(self):
            super().__init__()
            self.mu = nn.Parameter(true + 0.01 * torch.randn(d))
            self.w, self.b = nn.Parameter(torch.eye(d) / 2 + 0.01 * torch.randn(d, d)), nn.Parameter(true / 2)

        def walk(self, trace, x, y):
            q = None
            if x is not None:
                q = Independent(Normal(x @ self.w.T + self.b, math.sqrt(2 / 3)), 1)
            z = trace.latent("z", Independent(Normal(self.mu, torch.ones(d)), 1), q)
            return Independent(Normal(z, torch.ones(d)), 1)

    model, rows = Model(), {}
    for name, power in (("plain", None), ("sticking the landing", 1), ("doubly reparameterised", 2)):
        for k in (1, 3, 10, 30, 100, 300):
            found = []
            for i in range(options.steps or 200):
                torch.manual_seed(i)
                terms = IWAE(k, power).terms(model, x[:64], None, Clock(0, 1))
                loss = next(t.value for n_, t in terms.items() if n_ == "bound").mean()
                found.append(torch.autograd.grad(loss, model.b)[0])
            g = torch.stack(found).double()
            rows[f"{name}, k = {k}"] = (g.mean(0).abs() / g.std(0).clamp_min(1e-12)).mean().item()
            print(name, k, rows[f"{name}, k = {k}"], flush=True)
    store("published-gradients", {"signal to noise of the encoder's gradient": rows})


def linear_vae(options):
    """Trains linear VAEs of one sigma on MNIST, and counts the dimensions that are left."""
    train, _ = digits()
    x = train.subset(10_000).batch(slice(None))[0].flatten(1)
    x = x - x.mean(0)
    spectrum = torch.linalg.svdvals(x.double() / math.sqrt(len(x))).square()
    rows = {}
    for sigma2 in (0.25, 0.5, 1.0, 2.0, 4.0):
        torch.manual_seed(0)
        decoder = nn.Linear(20, 784)
        encoder = nn.Linear(784, 20)
        log_scale = nn.Parameter(torch.zeros(20))

        class Model(latente.Model):
            def __init__(self, encoder=encoder, decoder=decoder, log_scale=log_scale, sigma=sigma2**0.5):
                super().__init__()
                self.encoder, self.decoder, self.log_scale, self.sigma = encoder, decoder, log_scale, sigma

            def walk(self, trace, x, y):
                q = None
                if x is not None:
                    loc = self.encoder(x)
                    q = Independent(Normal(loc, self.log_scale.exp().expand_as(loc), validate_args=False), 1)
                p = distributions.StandardNormal(torch.zeros(20), torch.ones(20))
                z = trace.latent("z", p, q)
                return Independent(Normal(self.decoder(z), self.sigma, validate_args=False), 1)

        model = Model()
        Trainer(model, ELBO(), steps=options.steps or 3000, batch=500, lr=3e-3, threads=options.threads).fit(
            x
        )
        with torch.no_grad(), evaluating(model, 0):
            g = model(x).latents["z"]
            kl = (g.q.mean.square() + g.q.variance - 1 - g.q.variance.log()).mean(0) / 2
            bound = draw(model, x[:2000], None, 20).elbo.mean().item()
        kept = int((spectrum > sigma2).sum().clamp_max(20))
        top = spectrum[:kept]
        rest = spectrum.sum() - top.sum()
        best = -0.5 * (
            top.log().sum()
            + (784 - kept) * math.log(sigma2)
            + kept
            + rest / sigma2
            + 784 * math.log(2 * math.pi)
        )
        rows[f"sigma² = {sigma2}"] = {
            "principal variances above sigma² (of 20)": kept,
            "dimensions with KL above 0.01": int((kl > 0.01).sum()),
            "ELBO, 2,000 images": bound,
            "pPCA of this sigma, all images": best.item(),
        }
        print(sigma2, rows[f"sigma² = {sigma2}"], flush=True)
    store("published-linear", {"largest principal variances": spectrum[:20].tolist(), **rows})


def pixels(options):
    """Trains one net under both likelihoods, and scores both by the density that is one."""
    train, test = digits()
    held = test.subset(2000).batch(slice(None))[0]
    rows = {}
    for likelihood in ("bernoulli", "continuous-bernoulli"):
        torch.manual_seed(0)
        plan = recipes.make(
            "vae", shape=(1, 28, 28), latent=20, hidden=[500, 500], likelihood=likelihood, binarise="none"
        )
        grey = Examples(train.subset(50_000).batch(slice(None))[0])
        Trainer(
            plan.model, plan.objective, steps=options.steps or 8000, batch=100, threads=options.threads
        ).fit(grey)
        with evaluating(plan.model, 0):
            trace = plan.model(held)
            logits = trace.likelihood
            own = logits.base_dist.logits if likelihood == "bernoulli" else logits.logits
            density = distributions.ContinuousBernoulli(own.clamp(-255, 255), 3)
            nats = latente.trace.kl(trace.latents["z"])
            rows[likelihood] = {
                "ELBO as a density (continuous Bernoulli), nats": (density.log_prob(held) - nats)
                .mean()
                .item(),
                "rate": nats.mean().item(),
                "error of the mean of the trained likelihood": (trace.likelihood.mean - held)
                .square()
                .mean()
                .sqrt()
                .item(),
                "error of the mean as a density": (density.mean - held).square().mean().sqrt().item(),
            }
        print(likelihood, rows[likelihood], flush=True)
    store("published-pixels", rows)


def documents_of(name):
    folder = Path(os.environ["LATENTE_DATA"]) / "text_20news_bow"
    lines = lzma.decompress((folder / f"{name}.feat.xz").read_bytes()).decode().splitlines()
    x = torch.zeros(len(lines), 2000)
    for i, line in enumerate(lines):
        for pair in line.split()[1:]:
            word, count = pair.split(":")
            x[i, int(word) - 1] = float(count)
    return x[x.sum(1) > 0]


def documents(options):
    train, test = documents_of("train"), documents_of("test")
    words = test.sum(1)
    frequencies = (train.sum(0) + 1).log() - (train.sum(0) + 1).sum().log()
    unigram = math.exp(-((test * frequencies).sum(1) / words).mean().item())
    rows = {"frequencies of words": {"perplexity": unigram}}
    for latent in (50, 200):
        torch.manual_seed(0)
        encoder = MLP((2000,), (2 * latent,), [500, 500])
        model = VAE(
            conditionals.Diagonal(encoder),
            priors.Standard(latent),
            conditionals.WordCounts(MLP((latent,), (2000,), ())),
        )
        known, held = train[: -len(train) // 10], train[-len(train) // 10 :]
        objective = ELBO(linear(0.3))
        how = {"lr": 1e-3, "batch": 64, "threads": options.threads, "evaluate_every": 500, "patience": 6}
        history = Trainer(model, objective, steps=options.steps or 8000, **how).fit(known, held)
        with evaluating(model, 0):
            terms = draw(model, test, None, 20)
        bound = math.exp(-(terms.elbo / words.double()).mean().item())
        tight = math.exp(-(importance_weighted(terms.weights).bounds[-1] / words.double()).mean().item())
        rows[f"code of {latent} dimensions"] = {
            "perplexity by the ELBO": bound,
            "by 20 draws": tight,
            "rate": terms.rate.mean().item(),
            "kept": min((line["loss"], line["step"]) for line in history if line["split"] == "validation")[1],
        }
        print(latent, rows[f"code of {latent} dimensions"], flush=True)
    store("published-documents", {"published": {"LDA, 50": 1091, "NVDM, 50": 836, "NVDM, 200": 852}, **rows})


WHAT = {
    "boltzmann": boltzmann,
    "gradients": gradients,
    "linear": linear_vae,
    "pixels": pixels,
    "documents": documents,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    WHAT[options.what](options)
