"""How the weights of task models begin."""

from __future__ import annotations

import torch
from torch import nn

from throughtime.nn.recurrent import LSTM, Recurrent

__all__ = ["initialise_recurrent"]


@torch.no_grad()
def initialise_recurrent(layer: Recurrent) -> None:
    """Input weights by Glorot & Bengio (2010), recurrent ones orthogonal (Saxe et al. 2014), biases zero.

    Each gate's matrix is drawn on its own. The LSTM's forget gate begins with a bias of 1, so that the cell remembers
    before it has learnt to (Gers et al. 2000; Jozefowicz et al. 2015).
    """
    for name, parameter in layer.named_parameters():
        if name.startswith("bias"):
            parameter.zero_()
            if isinstance(layer, LSTM) and name.startswith("bias_ih"):
                parameter[layer.hidden_size : 2 * layer.hidden_size] = 1.0
        else:
            blocks = parameter.chunk(1 if name.startswith("weight_hr") else layer.gates)
            for block in blocks:
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(block)
                else:
                    nn.init.xavier_uniform_(block)
