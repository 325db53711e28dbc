"""Trains one contender in a process of its own; `peers.py` gives the orders on standard input, one JSON a line.

All have the network 784-400-20-400-784 with ReLU, a Bernoulli likelihood of grey values, batches of 128 and Adam with 1e-3.
"""

import json
import logging
import resource
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

from common import fashion


class Latente:
    def __init__(self, x):
        from latente import recipes
        from latente.data.examples import Examples

        self.examples = Examples(x)
        self.model = recipes.make("vae", shape=[1, 28, 28], binarise="none").model

    def epochs(self, n):
        from latente.training import Trainer

        Trainer(self.model, epochs=n).fit(self.examples)

    def weights(self):
        return self.model.state_dict()


class DataLoaderLoop:
    """The loop of a tutorial: a DataLoader over float tensors, and Adam as it comes."""

    def __init__(self, x):
        from step import Net

        self.net = Net()
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        rows = torch.utils.data.TensorDataset(x.float().div_(255).flatten(1))
        self.loader = torch.utils.data.DataLoader(rows, batch_size=128, shuffle=True)

    def epochs(self, n):
        for _ in range(n):
            for (x,) in self.loader:
                logits, mean, log_scale = self.net(x)
                distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
                rate = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
                self.adam.zero_grad()
                ((distortion + rate) / len(x)).backward()
                self.adam.step()


class Pythae:
    def __init__(self, x):
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        class Encoder(BaseEncoder):
            def __init__(self):
                BaseEncoder.__init__(self)
                self.hidden, self.mean, self.log_var = (
                    nn.Linear(784, 400),
                    nn.Linear(400, 20),
                    nn.Linear(400, 20),
                )

            def forward(self, x):
                h = F.relu(self.hidden(x.flatten(1)))
                return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

        class Decoder(BaseDecoder):
            def __init__(self):
                BaseDecoder.__init__(self)
                self.hidden, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

            def forward(self, z):
                x = torch.sigmoid(self.out(F.relu(self.hidden(z))))
                return ModelOutput(reconstruction=x.reshape(-1, 1, 28, 28))

        logging.disable(logging.INFO)
        config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
        self.model = VAE(model_config=config, encoder=Encoder(), decoder=Decoder())
        data = BaseDataset(x.float() / 255, torch.zeros(len(x)))
        how = BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(),
            num_epochs=1,
            per_device_train_batch_size=128,
            learning_rate=1e-3,
            no_cuda=True,
        )
        self.trainer = BaseTrainer(self.model, data, training_config=how)
        self.trainer.prepare_training()

    def epochs(self, n):
        for epoch in range(1, n + 1):
            self.trainer.train_step(epoch)

    def weights(self):
        """The same network under latente's names: a log-variance is twice a log-scale."""
        w = {name: t.detach() for name, t in self.model.state_dict().items()}
        read = {}
        for kind in ("weight", "bias"):
            read[f"posterior.net.layers.0.{kind}"] = w[f"encoder.hidden.{kind}"]
            read[f"posterior.net.layers.2.{kind}"] = torch.cat(
                [w[f"encoder.mean.{kind}"], w[f"encoder.log_var.{kind}"] / 2]
            )
            read[f"likelihood.net.layers.0.{kind}"] = w[f"decoder.hidden.{kind}"]
            read[f"likelihood.net.layers.2.{kind}"] = w[f"decoder.out.{kind}"]
        return read


def held_out_nll(weights):
    """IW-NLL of 1,000 test images, binarised once, with 100 draws each: the estimator is the same for all."""
    from latente import recipes
    from latente.data.examples import Examples
    from latente.data.looks import Pixels
    from latente.data.mnist import fashion as load
    from latente.evaluation.bounds import importance_weighted, log_weights

    model = recipes.make("vae", shape=[1, 28, 28]).model
    model.load_state_dict(weights)
    test = Examples(torch.from_numpy(load().x[60000:].copy()), look=Pixels("dynamic")).fixed()
    x, _ = test.subset(1000).batch(slice(None))
    return -importance_weighted(log_weights(model, x, None, 100)).bounds[-1].mean().item()


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[2]))
    contender = {"latente": Latente, "dataloader": DataLoaderLoop, "pythae": Pythae}[sys.argv[1]](fashion())
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = {}
        if "epochs" in order:
            wall, cpu = time.perf_counter(), time.process_time()
            contender.epochs(order["epochs"])
            answer = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        if "nll" in order:
            answer["nll"] = held_out_nll(contender.weights())
        answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)
