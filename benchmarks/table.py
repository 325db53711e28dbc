"""Writes the tables of figures, each computed from the stored results, into the pages that show them: python benchmarks/table.py.

A row says which stored results it is made of, how its values follow from them, and what they are held against. The text
of a row has places for its values and no value of its own; what was aimed for is said in words, and compared in code.
"""

import json
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PLACE = "<!-- {}: python benchmarks/table.py -->"
LANGUAGES = ("en", "es")
EXACT = (
    "made",
    "pixelcnn",
    "rbm",
)  # families whose figure is a likelihood, or an estimate of one, and no bound


@cache
def stored(name):
    """Reads a stored result."""
    return json.loads((RESULTS / f"{name}.json").read_text())


class Numbers(string.Formatter):
    """Formats values as a language writes numbers."""

    def __init__(self, language):
        self.language = language

    def format_field(self, value, spec):
        text = super().format_field(value, spec)
        if isinstance(value, str):
            return text
        text = text.replace("-", "−")
        return text.translate({ord("."): ",", ord(","): "\u202f"}) if self.language == "es" else text


@dataclass(frozen=True)
class Row:
    """Holds a row of the table.

    Arguments:
        results: Names of the stored results it is made of.
        values: Computes its values from them, given in this order.
        what: What was measured, in English and in Spanish.
        figure: What was found, with places for the values.
        aim: What was aimed for, before it was measured; nothing where there was no aim.
        met: Tells whether the values reach it.
    """

    results: tuple[str, ...]
    values: Callable[..., dict]
    what: tuple[str, str]
    figure: tuple[str, str]
    aim: tuple[str, str] = ("", "")
    met: Callable[[dict], bool] = lambda v: True

    def found(self):
        return self.values(*map(stored, self.results))

    def text(self, template, language="en"):
        """Puts the values into a template."""
        return Numbers(language).vformat(template, (), self.found())

    def missed(self):
        return not self.met(self.found())

    def cells(self, language):
        of = LANGUAGES.index(language)
        aim = self.aim[of] or "–"
        if self.missed():
            aim += (": **missed**", ": **no se alcanza**")[of]
        commands = [stored(name).get(key) for key in ("train", "command") for name in self.results]
        shown = dict.fromkeys(command for command in commands if isinstance(command, str))
        made = "<br>".join(f"`{command}`" for command in shown)
        return self.text(self.what[of], language), self.text(self.figure[of], language), aim, made


def bound(result):
    found = result["evaluation"]["elbo"]
    return {"mean": -found["mean"], "se": found["se"]}


def mnist(r):
    nll = r["evaluation"]["nll"]
    return {"nll": nll, "minutes": r["training_seconds"] / 60, "cores": r["machine"]["cores"]}


def families(r):
    table = r["table"]
    judged = {
        n: m["evaluation"] for n, m in table.items() if isinstance(m["evaluation"], dict) and n not in EXACT
    }
    best = max(judged, key=lambda n: judged[n]["elbo"]["mean"])
    distances = {n: m["samples"]["samples"]["frechet"] for n, m in table.items()}
    nearest = min(distances, key=distances.get)
    minutes = [m["cpu seconds"] / 60 for m in table.values()]
    return {
        "n": len(table),
        "best": best,
        "bound": -judged[best]["elbo"]["mean"],
        "nearest": nearest,
        "distance": distances[nearest],
        "least": min(minutes),
        "most": max(minutes),
    }


def ladder(one, many):
    return {
        "flat": bound(one),
        "ladder": bound(many),
        "flat_nll": one["evaluation"]["nll"]["mean"],
        "ladder_nll": many["evaluation"]["nll"]["mean"],
        "seconds": (one["cpu seconds"] + many["cpu seconds"]) / 2,
        "k": many["evaluation"]["nll"]["k"],
    }


def cifar(r):
    lossless = r["lossless bits a dimension"]
    return {"bits": r["evaluation"]["bits_per_dim"], "png": lossless["png"], "webp": lossless["webp"]}


def classifier(r):
    errors = {(t["labels"], t["start"]): 100 * t["error"] for t in r["table"]}
    few, some, every = sorted({labels for labels, _ in errors})
    of = {f"{s}{i}": errors[n, s] for s in ("pretrained", "random") for i, n in enumerate((few, some, every))}
    return {**of, "few": few, "some": some}


def few_labels(r):
    return {f"{n.replace('-', '_')}": 100 * row["error"] for n, row in r["table"].items()} | {
        "labels": r["labels"],
        "seeds": len(r["table"]["m2"]["errors"]),
    }


def denoising(r):
    mean = {n: sum(r[n]["mlp"]["psnr"]) / len(r[n]["mlp"]["psnr"]) for n in ("gaussian 0.3", "masking 0.5")}
    return {
        "noise": mean["gaussian 0.3"],
        "holes": mean["masking 0.5"],
        "noise_median": r["gaussian 0.3"]["median filter"],
        "holes_median": r["masking 0.5"]["median filter"],
    }


def collapse(r):
    plain = {"plain", "plain, a tenth of the steps"}
    remedies = {n: found for n, found in r["remedies"].items() if n not in plain}
    cures = [n for n, f in remedies.items() if f["active"] >= 5 and f["nll_above_plain"] <= 1]
    return {
        "cures": len(cures),
        "tried": len(remedies),
        "rate": r["remedies"]["plain"]["rate"],
        "latent": r["task"]["latent"],
        "seeds": len(r["seeds"]),
    }


def spheres(r):
    return {f"{kind}{m}": of[kind]["log_likelihood"] for m, of in r["dimensions"].items() for kind in of} | {
        "epochs": r["epochs"]
    }


def priors(r):
    of = {n: found["samples"]["frechet"] for n, found in r["priors"].items() if n != "prior of the run"}
    return {
        "normal": of.pop("N(0, I)"),
        **of,
        "worst": max(of.values()),
        "reconstructions": r["reconstructions"]["frechet"],
        "real": r["real_against_real"]["frechet"],
    }


def strokes(r):
    sets = {"kanji": "kanji", "sheep": "sheep", "omniglot": "omniglot-strokes"}
    found = {}
    for short, name in sets.items():
        of = r["results"][name]
        found[short] = of["peer"]["lstm, fused, trimmed, against it"]
        found[f"{short}_norm"] = of["peer"]["layer-norm, recurrent dropout, trimmed, against it"]
        found[f"{short}_share"] = 100 * of["ways"]["lstm, fused, trimmed"]["share_of_matmul"]
        found[f"{short}_trimmed"] = of["trimmed_against_padded_fused"]
    fastest = [found[n] for n in sets]
    return {
        **found,
        "least": min(fastest),
        "most": max(fastest),
        "at_once": r["results"]["sampling"]["ratio"],
        "step": r["results"]["kanji"]["ways"]["layer-norm, recurrent dropout, trimmed"]["seconds"],
    }


def written(r):
    """Returns the shares of right pictures of a run of captioned images, per cent, for each way of drawing them."""
    found = {"minutes": r["training"]["seconds"] / 60, "cores": r["training"]["threads"]}
    for fidelity in r["fidelity"]:
        n = fidelity["how"].rpartition(" ")[2]
        found |= {
            f"{part}{n}": 100 * fidelity[part]["all"] for part in ("seen", "held_out", "ceiling", "shuffled")
        }
    return found


def hues(r):
    guided, plain = r["flickr"]["hues"]["guidance 6"], r["flickr"]["hues"]["guidance 1"]
    vae = r["flickr-vae"]["hues"]["guidance 1"]
    found = {"pairs": guided["pairs"]}
    for n, of in {"guided": guided, "plain": plain, "vae": vae}.items():
        found |= {n: 100 * of["right"], f"{n}_se": 100 * of["se"]}
    return found


def align_steps(r):
    found = {}
    for name, of in r["training step"].items():
        key = name.replace("-", "_")
        found[key] = of["ratio to the plain loop"]
        found[f"{key}_products"] = of["ratio to the specification's, in products"]
    seconds = r["seconds for 64 images of one caption"]
    return found | {
        "align": seconds["align-draw"],
        "codes": seconds["text-to-image"],
        "vae": seconds["caption-vae"],
    }


def ladder_steps(r):
    found = {}
    for name, of in r["found"].items():
        key = name.replace(" ", "_")
        found[f"of_{key}"] = of["plain / latente"]
        found[f"share_{key}"] = 100 * of["latente"]["share of the rate of products"]
    return found


def boltzmann(r):
    of = r["1000 hidden units"]
    return {
        "double": of["times_faster"]["sklearn_float64"],
        "single": of["times_faster"]["sklearn_float32"],
        "share": 100 * of["matrix_products_alone"] / of["seconds_an_epoch"]["latente"],
    }


def peers(r):
    rows = r["to_the_same_likelihood"]["rows"]
    return {
        "pythae": r["epoch"]["latente_over"]["pythae"],
        "loader": r["epoch"]["latente_over"]["dataloader"],
        "cpu": r["to_the_same_likelihood"]["cpu_ratio"],
        "epochs": rows[0]["latente"]["epochs"],
        "short": sum(row["latente"]["nll"] - row["pythae"]["nll"] for row in rows) / len(rows),
    }


def startup(r):
    seconds = [v for v in r.values() if isinstance(v, float)]
    return {"least": min(seconds), "most": max(seconds)}


def deep(pretrained, tuned, pca):
    return {
        "unrolled": pretrained["test"]["squared_error"],
        "tuned": tuned["chosen"]["test"],
        "minutes": tuned["minutes"],
        "pca": pca["squared_error_by_components"]["30"],
    }


def contractive(r):
    return {
        "contractive": r["contractive"]["whitened_jacobian_norm"],
        "plain": r["plain_of_equal_error"]["narrower"]["whitened_jacobian_norm"],
        "error": r["contractive"]["squared_error"],
        "plain_error": r["plain_of_equal_error"]["narrower"]["squared_error"],
    }


def verdicts(r):
    rows = [row for part in ("built on", "fresh") for row in r[part]["of each"].values()]
    broken = [row for row in rows if row["truth"] != "well"]
    healthy = [row for row in rows if row["truth"] == "well"]
    return {
        "runs": len(rows),
        "well": 100 * sum(row["said"] == "well" for row in broken) / len(broken),
        "ill": 100 * sum(row["said"] == "ill" for row in healthy) / len(healthy),
        "unsure": 100 * sum(row["said"] == "cannot tell" for row in rows) / len(rows),
    }


def compressed(r):
    digits = r["binarised MNIST, 40 dimensions"]
    return {
        "net": digits["net bits per dimension"],
        "bound": digits["−ELBO of the same codes"],
        "over": 100 * (digits["net over −ELBO"] - 1),
        "images": digits["images"],
        "gzip": digits["gzip"],
        "png": digits["png"],
        "equal": digits["equal"],
    }


TABLE = {
    ("Likelihoods and bounds", "Verosimilitudes y cotas"): {
        "mnist": Row(
            ("mnist",),
            mnist,
            (
                "`deep-vae` on MNIST, dynamic binarisation: −log p(x) of {nll[examples]:,} test images, k = {nll[k]:,}",
                "`deep-vae` en MNIST, binarización dinámica: −log p(x) de {nll[examples]:,} imágenes de prueba, k = {nll[k]:,}",
            ),
            (
                "{nll[mean]:.2f} ± {nll[se]:.2f} nats, trained for {minutes:.1f} minutes on {cores} cores",
                "{nll[mean]:.2f} ± {nll[se]:.2f} nats, tras {minutes:.1f} minutos en {cores} núcleos",
            ),
            ("≤ 88.0 in 20 minutes", "≤ 88,0 en 20 minutos"),
            lambda v: v["nll"]["mean"] <= 88 and v["minutes"] <= 20,
        ),
        "draw": Row(
            ("captions-draw",),
            lambda r: (
                r["evaluation"]["-elbo"]
                | {"minutes": r["training"]["seconds"] / 60, "steps": r["training"]["steps"]}
            ),
            (
                "DRAW, ten steps without windows, MNIST, dynamic binarisation: −ELBO",
                "DRAW, diez pasos sin ventanas, MNIST, binarización dinámica: −ELBO",
            ),
            (
                "{mean:.1f} ± {se:.1f} nats after {steps:,} steps, {minutes:.0f} minutes of one core",
                "{mean:.1f} ± {se:.1f} nats tras {steps:,} pasos, {minutes:.0f} minutos de un núcleo",
            ),
            ("≤ 94", "≤ 94"),
            lambda v: v["mean"] <= 94,
        ),
        "vamp": Row(
            ("vamp",),
            lambda r: {
                "vamp": r["vamp"]["nll"][0],
                "normal": r["normal"]["nll"][0],
                "steps": r["settings"]["steps"],
            },
            (
                "VampPrior against N(0, I), same net, {steps:,} steps on MNIST: −log p(x)",
                "VampPrior frente a N(0, I), la misma red, {steps:,} pasos en MNIST: −log p(x)",
            ),
            ("{vamp:.1f} against {normal:.1f} nats", "{vamp:.1f} frente a {normal:.1f} nats"),
            ("better by 1.5", "mejor por 1,5"),
            lambda v: v["normal"] - v["vamp"] >= 1.5,
        ),
        "ladder": Row(
            ("ladder-flat", "ladder-ladder"),
            ladder,
            (
                "five latent groups, of which three are used, against one, static MNIST, equal CPU time ({seconds:.0f} "
                "seconds), same test images: −ELBO (−log p(x) by {k} draws)",
                "cinco grupos latentes, de los que se usan tres, frente a uno, MNIST estático, el mismo tiempo de CPU "
                "({seconds:.0f} segundos), las mismas imágenes de prueba: −ELBO (−log p(x) con {k} muestras)",
            ),
            (
                "{ladder[mean]:.1f} ± {ladder[se]:.1f} ({ladder_nll:.1f}) against "
                "{flat[mean]:.1f} ± {flat[se]:.1f} ({flat_nll:.1f}) nats",
                "{ladder[mean]:.1f} ± {ladder[se]:.1f} ({ladder_nll:.1f}) frente a "
                "{flat[mean]:.1f} ± {flat[se]:.1f} ({flat_nll:.1f}) nats",
            ),
            ("better by 2, and ≤ 87", "mejor por 2, y ≤ 87"),
            lambda v: v["flat"]["mean"] - v["ladder"]["mean"] >= 2 and v["ladder"]["mean"] <= 87,
        ),
        "verdicts": Row(
            ("verdicts",),
            verdicts,
            (
                "the verdict on {runs} runs whose truth is known: broken called well / healthy called ill / cannot tell",
                "el veredicto sobre {runs} entrenamientos de los que se sabe la verdad: rotos que llama sanos / sanos que llama "
                "rotos / no se puede saber",
            ),
            ("{well:.1f} / {ill:.1f} / {unsure:.1f} %", "{well:.1f} / {ill:.1f} / {unsure:.1f} %"),
            ("≤ 5 / ≤ 10 / ≤ 15 %", "≤ 5 / ≤ 10 / ≤ 15 %"),
            lambda v: v["well"] <= 5 and v["ill"] <= 10 and v["unsure"] <= 15,
        ),
        "compress": Row(
            ("compress",),
            compressed,
            (
                "{images:,} binarised MNIST test images as bytes, by bits-back: net bits per dimension, beside −ELBO of the same "
                "codes (gzip {gzip:.2f}, PNG {png:.2f})",
                "{images:,} imágenes de prueba de MNIST binarizado en bytes, por bits-back: bits netos por dimensión, junto a "
                "−ELBO de los mismos códigos (gzip {gzip:.2f}, PNG {png:.2f})",
            ),
            (
                "{net:.4f}, beside {bound:.4f}: {over:.2f} % more",
                "{net:.4f}, junto a {bound:.4f}: {over:.2f} % más",
            ),
            ("within 1 %, equal byte for byte", "a 1 %, igual byte a byte"),
            lambda v: abs(v["over"]) <= 1 and v["equal"],
        ),
        "families": Row(
            ("families",),
            families,
            (
                "{n} families, each alone on static MNIST, {least:.0f} to {most:.0f} minutes of one core",
                "{n} familias, cada una sola en MNIST estático, de {least:.0f} a {most:.0f} minutos de un núcleo",
            ),
            (
                "best bound {bound:.1f} nats (`{best}`), nearest samples {distance:.1f} (`{nearest}`, Fréchet distance)",
                "la mejor cota, {bound:.1f} nats (`{best}`); las muestras más cercanas, {distance:.1f} (`{nearest}`, "
                "distancia de Fréchet)",
            ),
        ),
        "cifar": Row(
            ("ladder-cifar10",),
            cifar,
            (
                "a `ladder` of planes on CIFAR-10 after 900 steps: bits per dimension, beside PNG / WebP",
                "un `ladder` de planos en CIFAR-10 tras 900 pasos: bits por dimensión, junto a PNG / WebP",
            ),
            ("{bits:.2f}, beside {png:.2f} / {webp:.2f}", "{bits:.2f}, junto a {png:.2f} / {webp:.2f}"),
        ),
        "spheres": Row(
            ("svae",),
            spheres,
            (
                "spherical against Normal codes of 2 / 5 / 10 dimensions, MNIST, {epochs} epochs: log-likelihood",
                "códigos esféricos frente a Normales de 2 / 5 / 10 dimensiones, MNIST, {epochs} épocas: log-verosimilitud",
            ),
            (
                "{spherical2:.1f} / {spherical5:.1f} / {spherical10:.1f} against "
                "{normal2:.1f} / {normal5:.1f} / {normal10:.1f} nats",
                "{spherical2:.1f} / {spherical5:.1f} / {spherical10:.1f} frente a "
                "{normal2:.1f} / {normal5:.1f} / {normal10:.1f} nats",
            ),
            (
                "the published −132.5 / −108.4 / −93.2",
                "las publicadas, −132,5 / −108,4 / −93,2",
            ),
            lambda v: v["spherical2"] >= -132.5 and v["spherical5"] >= -108.4 and v["spherical10"] >= -93.2,
        ),
    },
    ("Codes and priors", "Códigos y a priori"): {
        "collapse": Row(
            ("collapse",),
            collapse,
            (
                "posterior collapse on sentences (Penn Treebank, `text-vae`), {seeds} seeds: remedies with five or more "
                "active dimensions of {latent} at a likelihood within a nat of the plain VAE, whose rate is {rate:.2f} nats",
                "colapso de la posterior en oraciones (Penn Treebank, `text-vae`), {seeds} semillas: remedios con cinco o "
                "más dimensiones activas de {latent} y una verosimilitud a menos de un nat del VAE corriente, cuya tasa es "
                "de {rate:.2f} nats",
            ),
            ("{cures} of {tried}", "{cures} de {tried}"),
            ("6", "6"),
            lambda v: v["cures"] >= 6,
        ),
        "doctor": Row(
            ("doctor",),
            lambda r: {"right": r["right"], "of": r["of"]},
            (
                "`latente diagnose` on runs broken on purpose and healthy ones",
                "`latente diagnose` en entrenamientos estropeados a propósito y en sanos",
            ),
            ("right in {right} of {of}", "acierta en {right} de {of}"),
            ("all", "todos"),
            lambda v: v["right"] == v["of"],
        ),
        "priors": Row(
            ("latent_priors",),
            priors,
            (
                "five priors fitted to the codes of one frozen VAE: Fréchet distance of samples (N(0, I): {normal:.1f}, "
                "reconstructions {reconstructions:.1f}, real images {real:.1f})",
                "cinco a priori ajustados a los códigos de un VAE que no cambia: distancia de Fréchet de las muestras (N(0, I): "
                "{normal:.1f}, reconstrucciones {reconstructions:.1f}, imágenes reales {real:.1f})",
            ),
            (
                "mixture {mixture:.1f}, pseudo-inputs {vamp:.1f}, energy {energy:.1f}, diffusion {diffusion:.1f}, "
                "flow {flow:.1f}",
                "mezcla {mixture:.1f}, pseudoentradas {vamp:.1f}, energía {energy:.1f}, difusión {diffusion:.1f}, "
                "flujo {flow:.1f}",
            ),
            ("half that of N(0, I)", "la mitad que N(0, I)"),
            lambda v: v["worst"] <= v["normal"] / 2,
        ),
        "aae": Row(
            ("aae",),
            lambda r: r["runs"]["adversarial"],
            (
                "codes of an adversarial autoencoder, two dimensions: accuracy of a two-sample classifier against N(0, I)",
                "códigos de un autocodificador adversario, dos dimensiones: aciertos de un clasificador que los distingue de "
                "N(0, I)",
            ),
            ("{accuracy_percent:.2f} ± {se:.1f} %", "{accuracy_percent:.2f} ± {se:.1f} %"),
            ("≤ 55 %", "≤ 55 %"),
            lambda v: v["accuracy_percent"] <= 55,
        ),
        "sphere": Row(
            ("sphere",),
            lambda r: {"ratio": r["over_public"]},
            (
                "a draw from von Mises–Fisher, its density and gradient, 50 dimensions, against the public algorithm",
                "una muestra de von Mises–Fisher, su densidad y su gradiente, 50 dimensiones, frente al algoritmo público",
            ),
            ("{ratio:.2f} × its time", "{ratio:.2f} × su tiempo"),
            ("below 1", "menos de 1"),
            lambda v: v["ratio"] < 1,
        ),
    },
    ("Autoencoders and few labels", "Autocodificadores y pocas etiquetas"): {
        "deep": Row(
            ("deep-autoencoder-pretrain-rbm", "deep-autoencoder-finetune", "deep-autoencoder-pca"),
            deep,
            (
                "deep autoencoder 784-1000-500-250-30: squared error per test image, stack of RBMs unrolled / fine-tuned "
                "for {minutes:.0f} minutes",
                "autocodificador profundo 784-1000-500-250-30: error cuadrático por imagen de prueba, pila de RBM "
                "desenrollada / ajustada {minutes:.0f} minutos",
            ),
            (
                "{unrolled:.2f} / {tuned:.2f} (PCA: {pca:.2f})",
                "{unrolled:.2f} / {tuned:.2f} (PCA: {pca:.2f})",
            ),
            (
                "below PCA / ≤ 4.5 (the paper of 2006: 3.00)",
                "menos que PCA / ≤ 4,5 (el artículo de 2006: 3,00)",
            ),
            lambda v: v["unrolled"] < v["pca"] and v["tuned"] <= 4.5,
        ),
        "classifier": Row(
            ("classifier",),
            classifier,
            (
                "classifier from its encoder, {few} / {some:,} / all labels of MNIST, against the same net from random "
                "weights: test error",
                "clasificador a partir de su codificador, {few} / {some:,} / todas las etiquetas de MNIST, frente a la misma "
                "red con pesos al azar: error de prueba",
            ),
            (
                "{pretrained0:.1f} / {pretrained1:.1f} / {pretrained2:.1f} % against "
                "{random0:.1f} / {random1:.1f} / {random2:.1f} %",
                "{pretrained0:.1f} / {pretrained1:.1f} / {pretrained2:.1f} % frente a "
                "{random0:.1f} / {random1:.1f} / {random2:.1f} %",
            ),
        ),
        "few": Row(
            ("semi-supervised",),
            few_labels,
            (
                "{labels} labels of MNIST, {seeds} seeds: test error of `m2` / `m1-m2`",
                "{labels} etiquetas de MNIST, {seeds} semillas: error de prueba de `m2` / `m1-m2`",
            ),
            ("{m2:.1f} / {m1_m2:.1f} %", "{m2:.1f} / {m1_m2:.1f} %"),
            ("≤ 12 / ≤ 5 %", "≤ 12 / ≤ 5 %"),
            lambda v: v["m2"] <= 12 and v["m1_m2"] <= 5,
        ),
        "denoising": Row(
            ("denoising",),
            denoising,
            (
                "held-out digits denoised, σ = 0.3 / half of the pixels gone, against a 3 × 3 median filter (worse than "
                "leaving half the pixels black: 12.8): PSNR",
                "cifras apartadas y limpiadas de ruido, σ = 0,3 / sin la mitad de los píxeles (dejarlos negros: 12,8), frente "
                "a un filtro de mediana 3 × 3: PSNR",
            ),
            (
                "{noise:.1f} / {holes:.1f} against {noise_median:.1f} / {holes_median:.1f} dB",
                "{noise:.1f} / {holes:.1f} frente a {noise_median:.1f} / {holes_median:.1f} dB",
            ),
            ("above it", "por encima"),
            lambda v: v["noise"] > v["noise_median"] and v["holes"] > v["holes_median"],
        ),
        "contractive": Row(
            ("contractive",),
            contractive,
            (
                "contractive against plain at a squared error of {error:.1f} and {plain_error:.1f}: norm of the encoder's "
                "Jacobian, for codes of unit covariance",
                "contractivo frente a corriente con un error cuadrático de {error:.1f} y {plain_error:.1f}: norma del "
                "jacobiano del codificador, con códigos de covarianza unidad",
            ),
            ("{contractive:.2f} against {plain:.2f}", "{contractive:.2f} frente a {plain:.2f}"),
            ("below it", "por debajo"),
            lambda v: v["contractive"] < v["plain"],
        ),
    },
    ("Drawings", "Dibujos"): {
        "sketch": Row(
            ("drawings-speed",),
            strokes,
            (
                "sketch-rnn: real points a second on kanji / sheep / Omniglot, LSTM with the fused kernel (layer-normalised "
                "with recurrent dropout, the default), against the port labml-nn 0.5.1",
                "sketch-rnn: puntos reales por segundo en kanji / ovejas / Omniglot, LSTM con el núcleo fundido (normalizado "
                "por capas con dropout recurrente, lo habitual), frente a la versión labml-nn 0.5.1",
            ),
            (
                "{kanji:.1f} / {sheep:.1f} / {omniglot:.1f} × ({kanji_norm:.1f} / {sheep_norm:.1f} / {omniglot_norm:.1f} ×)",
                "{kanji:.1f} / {sheep:.1f} / {omniglot:.1f} × ({kanji_norm:.1f} / {sheep_norm:.1f} / {omniglot_norm:.1f} ×)",
            ),
            ("3 × on each", "3 × en cada uno"),
            lambda v: v["least"] >= 3,
        ),
        "trimmed": Row(
            ("drawings-speed",),
            strokes,
            (
                "the same LSTM as a share of the machine's matrix products; trimmed against padded batches",
                "el mismo LSTM como parte de los productos de matrices de la máquina; lotes recortados frente a rellenados",
            ),
            (
                "{kanji_share:.0f} / {sheep_share:.0f} / {omniglot_share:.0f} %; "
                "{kanji_trimmed:.1f} / {sheep_trimmed:.1f} / {omniglot_trimmed:.1f} ×",
                "{kanji_share:.0f} / {sheep_share:.0f} / {omniglot_share:.0f} %; "
                "{kanji_trimmed:.1f} / {sheep_trimmed:.1f} / {omniglot_trimmed:.1f} ×",
            ),
            ("≥ 50 %; 2 / 2 / 4 ×", "≥ 50 %; 2 / 2 / 4 ×"),
            lambda v: (
                min(v["kanji_share"], v["sheep_share"], v["omniglot_share"]) >= 50
                and v["kanji_trimmed"] >= 2
                and v["sheep_trimmed"] >= 2
                and v["omniglot_trimmed"] >= 4
            ),
        ),
        "at_once": Row(
            ("drawings-speed",),
            strokes,
            (
                "a thousand drawings at once against one at a time",
                "mil dibujos a la vez frente a uno tras otro",
            ),
            ("{at_once:.0f} ×", "{at_once:.0f} ×"),
            ("50 ×", "50 ×"),
            lambda v: v["at_once"] >= 50,
        ),
        "kanji": Row(
            ("drawings", "drawings-speed"),
            lambda r, s: {
                "minutes": r["cells"]["kanji:0.5"]["seconds_of_training"] / 60,
                "step": strokes(s)["step"],
            },
            ("`latente train sketch-rnn --data kanji`", "`latente train sketch-rnn --data kanji`"),
            (
                "{minutes:.0f} minutes on one core ({step:.2f} s a step on two)",
                "{minutes:.0f} minutos en un núcleo ({step:.2f} s por paso en dos)",
            ),
            ("recognisable characters in 40 minutes on two", "caracteres reconocibles en 40 minutos en dos"),
            lambda v: round(v["minutes"]) <= 40,
        ),
    },
    ("Images from captions", "Imágenes a partir de leyendas"): {
        "align": Row(
            ("captions-align",),
            written,
            (
                "alignDRAW on `captions-mnist`: pictures with layout and digits right, of seen / held-out captions, as a "
                "reader net sees it (real images: {ceiling1:.1f} %, captions shuffled: {shuffled1:.1f} %)",
                "alignDRAW en `captions-mnist`: imágenes con la disposición y las cifras correctas, de leyendas vistas / "
                "apartadas, según una red lectora (imágenes reales: {ceiling1:.1f} %, leyendas barajadas: {shuffled1:.1f} %)",
            ),
            (
                "{seen1:.1f} / {held_out1:.1f} %, trained in {minutes:.0f} minutes on one core",
                "{seen1:.1f} / {held_out1:.1f} %, tras {minutes:.0f} minutos en un núcleo",
            ),
            ("≥ 80 % of seen ones", "≥ 80 % de las vistas"),
            lambda v: v["seen1"] >= 80,
        ),
        "codes": Row(
            ("captions-codes",),
            written,
            (
                "the same of `text-to-image` with guidance 2; without guidance",
                "lo mismo de `text-to-image` con guía 2; sin guía",
            ),
            (
                "{seen2:.1f} / {held_out2:.1f} %; {seen1:.1f} / {held_out1:.1f} %, {minutes:.0f} minutes on one core",
                "{seen2:.1f} / {held_out2:.1f} %; {seen1:.1f} / {held_out1:.1f} %, {minutes:.0f} minutos en un núcleo",
            ),
            ("≥ 85 %", "≥ 85 %"),
            lambda v: v["seen2"] >= 85,
        ),
        "hues": Row(
            ("captions-hues",),
            hues,
            (
                "photographs (Flickr8k, 32 × 32), another colour said, same noise: the mean hue follows, in {pairs} pairs",
                "fotografías (Flickr8k, 32 × 32), otro color en la leyenda, el mismo ruido: el tono medio lo sigue, en "
                "{pairs} parejas",
            ),
            (
                "{guided:.0f} ± {guided_se:.0f} % of `text-to-image` with guidance 6, {plain:.0f} ± {plain_se:.0f} % without; "
                "{vae:.0f} ± {vae_se:.0f} % of `caption-vae`",
                "{guided:.0f} ± {guided_se:.0f} % con `text-to-image` y guía 6, {plain:.0f} ± {plain_se:.0f} % sin ella; "
                "{vae:.0f} ± {vae_se:.0f} % con `caption-vae`",
            ),
            ("≥ 70 %", "≥ 70 %"),
            lambda v: v["guided"] >= 70,
        ),
        "align_step": Row(
            ("captions-speed",),
            align_steps,
            (
                "a training step of alignDRAW against a plain loop of the same network: 32 × 32 / 60 × 60 / the paper's size "
                "(in matrix products, against such a loop on the machine of the specification)",
                "un paso de alignDRAW frente a un bucle sencillo de la misma red: 32 × 32 / 60 × 60 / el tamaño del artículo "
                "(en productos de matrices, frente a un bucle así en la máquina de la especificación)",
            ),
            (
                "{mini_32:.2f} / {mini_60:.2f} / {paper:.2f} × its time "
                "({mini_32_products:.2f} / {mini_60_products:.2f} / {paper_products:.2f} ×)",
                "{mini_32:.2f} / {mini_60:.2f} / {paper:.2f} × su tiempo "
                "({mini_32_products:.2f} / {mini_60_products:.2f} / {paper_products:.2f} ×)",
            ),
            ("≤ 0.7", "≤ 0,7"),
            lambda v: max(v["mini_32"], v["mini_60"], v["paper"]) <= 0.7,
        ),
        "align_images": Row(
            ("captions-speed",),
            align_steps,
            (
                "64 images of one caption: alignDRAW / codes / VAE, on one core",
                "64 imágenes de una leyenda: alignDRAW / códigos / VAE, en un núcleo",
            ),
            (
                "{align:.2f} / {codes:.1f} / {vae:.2f} seconds",
                "{align:.2f} / {codes:.1f} / {vae:.2f} segundos",
            ),
            ("seconds", "segundos"),
            lambda v: max(v["align"], v["codes"], v["vae"]) < 10,
        ),
    },
    ("Speed and memory", "Velocidad y memoria"): {
        "step": Row(
            ("step",),
            lambda r: {"small": r["batch 128"]["ratio"], "large": r["batch 512"]["ratio"]},
            (
                "a step of `vae` against a hand-written loop with fused Adam, batch 128 / 512",
                "un paso de `vae` frente a un bucle escrito a mano con Adam fundido, lote de 128 / 512",
            ),
            ("{small:.2f} / {large:.2f} × its time", "{small:.2f} / {large:.2f} × su tiempo"),
            ("≤ 1.05 / 1.02", "≤ 1,05 / 1,02"),
            lambda v: v["small"] <= 1.05 and v["large"] <= 1.02,
        ),
        "epoch": Row(
            ("peers",),
            peers,
            (
                "an epoch of Fashion-MNIST against Pythae 0.1.2 / a loop over a DataLoader",
                "una época de Fashion-MNIST frente a Pythae 0.1.2 / un bucle con DataLoader",
            ),
            ("{pythae:.2f} / {loader:.2f} × their time", "{pythae:.2f} / {loader:.2f} × su tiempo"),
            ("≤ 0.60 / 0.75", "≤ 0,60 / 0,75"),
            lambda v: v["pythae"] <= 0.6 and v["loader"] <= 0.75,
        ),
        "likelihood": Row(
            ("peers",),
            peers,
            (
                "CPU time to the held-out likelihood of Pythae's ten epochs, our defaults",
                "tiempo de CPU hasta la verosimilitud de prueba de diez épocas de Pythae, con nuestros valores por defecto",
            ),
            (
                "{cpu:.2f} × after {epochs} epochs, and still {short:.1f} nats short",
                "{cpu:.2f} × tras {epochs} épocas, y aún faltan {short:.1f} nats",
            ),
            ("≤ 0.5", "≤ 0,5"),
            lambda v: v["cpu"] <= 0.5 and v["short"] <= 0,
        ),
        "ladder_step": Row(
            ("ladder-speed",),
            ladder_steps,
            (
                "a training step of `ladder` against a plain loop of the same net: five dense / six / twelve convolutional "
                "layers",
                "un paso de `ladder` frente a un bucle sencillo de la misma red: cinco capas densas / seis / doce "
                "convolucionales",
            ),
            (
                "{of_5_dense:.2f} / {of_6_conv:.2f} / {of_12_conv:.2f} × as fast, at "
                "{share_5_dense:.0f} / {share_6_conv:.0f} / {share_12_conv:.0f} % of the rate of matrix products",
                "{of_5_dense:.2f} / {of_6_conv:.2f} / {of_12_conv:.2f} × más rápido, al "
                "{share_5_dense:.0f} / {share_6_conv:.0f} / {share_12_conv:.0f} % del ritmo de los productos de matrices",
            ),
            ("1.3 ×", "1,3 ×"),
            lambda v: min(v["of_5_dense"], v["of_6_conv"], v["of_12_conv"]) >= 1.3,
        ),
        "rbm": Row(
            ("rbm",),
            boltzmann,
            (
                "an epoch of a Boltzmann machine, 1,000 hidden units, against scikit-learn (with its data in 32 bits)",
                "una época de una máquina de Boltzmann, 1 000 unidades ocultas, frente a scikit-learn (con sus datos en 32 bits)",
            ),
            (
                "{double:.2f} × as fast ({single:.2f} ×); matrix products alone take {share:.0f} % of our time",
                "{double:.2f} × más rápido ({single:.2f} ×); solo los productos de matrices ocupan el {share:.0f} % de nuestro "
                "tiempo",
            ),
            ("3 ×", "3 ×"),
            lambda v: v["double"] >= 3,
        ),
        "aggressive": Row(
            ("costs",),
            lambda r: {"times": r["a_run"]["times_plain"]},
            (
                "a run with aggressive training, against a plain one",
                "un entrenamiento agresivo, frente a uno corriente",
            ),
            ("{times:.1f} × its time", "{times:.1f} × su tiempo"),
            ("≤ 4 ×", "≤ 4 ×"),
            lambda v: v["times"] <= 4,
        ),
        "memory": Row(
            ("memory",),
            lambda r: {"mb": r["training_over_bare_mb"]},
            (
                "peak memory of training on 60,000 images, over bare PyTorch",
                "pico de memoria al entrenar con 60 000 imágenes, sobre PyTorch solo",
            ),
            ("{mb:.0f} MB", "{mb:.0f} MB"),
            ("≤ 450 MB", "≤ 450 MB"),
            lambda v: v["mb"] <= 450,
        ),
        "startup": Row(
            ("startup",),
            startup,
            ("`latente --help`, and mistyped options", "`latente --help`, y opciones mal escritas"),
            ("{least:.2f} to {most:.2f} s", "{least:.2f} a {most:.2f} s"),
            ("≤ 0.5 s", "≤ 0,5 s"),
            lambda v: v["most"] <= 0.5,
        ),
    },
}
ROWS = {name: row for rows in TABLE.values() for name, row in rows.items()}
HEADS = {
    "en": "| what | figure | aim | made by |",
    "es": "| qué | cifra | objetivo | hecho con |",
}
BEST = (  # of the README: what, a row of the table and how its figure is said, or a figure that a test holds, and where it stands
    ("MNIST, −log p(x)", "mnist", "{nll[mean]:.2f} nats after {minutes:.1f} minutes on {cores} cores"),
    ("remedies that cure posterior collapse on sentences", "collapse", "{cures} of {tried}"),
    ("sketch-rnn against a port for PyTorch", "sketch", "{least:.1f}–{most:.1f} × as fast"),
    ("alignDRAW: captions drawn right", "align", "{seen1:.1f} %"),
)
WEAK = (  # of the README: rows of the table, and what their figures say
    (
        "epoch",
        "Speed: an epoch takes {pythae:.2f} × Pythae's time and {loader:.2f} × a DataLoader loop's, not 0.60 and 0.75.",
    ),
    ("few", "A hundred labels: `m1-m2` errs on {m1_m2:.1f} %, not 5."),
    ("aae", "Adversarial codes: a classifier tells them from N(0, I) with {accuracy_percent:.0f} %, not 55."),
)
HELD = (
    (
        "killed 20 times and resumed, on the same machine",
        "equal byte for byte",
        "tests/test_training.py",
    ),
    ("pickles in a run", "0", "docs/reference/house.md#nothing-is-unpickled"),
)


def table(language, level="##"):
    """Returns all rows under the headings of their sections."""
    lines = []
    for titles, rows in TABLE.items():
        lines += [f"{level} {titles[LANGUAGES.index(language)]}", "", HEADS[language], "|---|---|---|---|"]
        lines += [f"| {' | '.join(row.cells(language))} |" for row in rows.values()]
        lines.append("")
    return "\n".join(lines).rstrip()


def best():
    """Returns the six rows of the README."""
    rows = [
        f"| {what} | [{ROWS[of].text(figure)}](benchmarks/results/{ROWS[of].results[0]}.json) |"
        for what, of, figure in BEST
    ]
    rows += [f"| {what} | [{figure}]({where}) |" for what, figure, where in HELD]
    return "\n".join(["| what | figure |", "|---|---|", *rows])


def weak():
    """Returns what the README owns up to, and how much more there is."""
    missed, aimed = (sum(map(of, ROWS.values())) for of in (Row.missed, lambda row: bool(row.aim[0])))
    lines = [f"* {ROWS[of].text(text)}" for of, text in WEAK]
    return "\n".join(
        [*lines, "", f"Of {aimed} aims {missed} are missed: [all figures](benchmarks/README.md)."]
    )


TARGETS = {  # page: what stands between its two marks
    "README.md": lambda: f"{best()}\n\n## What it is not good at\n\n{weak()}",
    "benchmarks/README.md": lambda: table("en", "###"),
    "docs/guides/how-good.md": lambda: table("en"),
    "docs/guides/how-good.es.md": lambda: table("es"),
}


def page(name):
    """Returns a page with its table made anew.

    Raises:
        ValueError: If the page lacks the marks between which the table stands.
    """
    first, last = PLACE.format("figures"), PLACE.format("end of figures")
    text = (ROOT / name).read_text()
    if not re.search(f"{re.escape(first)}.*{re.escape(last)}", text, re.DOTALL):
        raise ValueError(f"{name} does not say where its figures stand: put {first} and {last} there")
    before, _, rest = text.partition(first)
    return f"{before}{first}\n\n{TARGETS[name]()}\n\n{last}{rest.partition(last)[2]}"


def main():
    for name in TARGETS:
        (ROOT / name).write_text(page(name))


if __name__ == "__main__":
    main()
