"""The same layer in other programs: torch.nn, ONNX Runtime, Keras on JAX."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["keras_training", "onnx_layer", "torch_layer"]

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}


def torch_layer(cell: str, input_size: int, hidden_size: int) -> nn.RNNBase:
    """torch.nn's layer, with the weights that all others are given too."""
    torch.manual_seed(1)
    return LAYERS[cell](input_size, hidden_size)


def onnx_layer(layer: nn.RNNBase, threads: int) -> Callable[..., list[np.ndarray]]:
    """ONNX Runtime's LSTM, GRU or RNN: called with X ``[T, B, F]``, initial state, and lengths, all NumPy arrays."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind = {"LSTM": "LSTM", "GRU": "GRU", "RNN_TANH": "RNN"}[layer.mode]
    order = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}[kind]  # i o f c; z r h
    hidden = layer.hidden_size

    def gates(tensor: Tensor) -> np.ndarray:
        parts = tensor.detach().chunk(len(order))
        return torch.cat([parts[place] for place in order]).numpy()[None]

    bias = np.concatenate([gates(layer.bias_ih_l0), gates(layer.bias_hh_l0)], axis=1)
    weights = {"W": gates(layer.weight_ih_l0), "R": gates(layer.weight_hh_l0), "B": bias}
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    attributes = {"hidden_size": hidden, **({"linear_before_reset": 1} if kind == "GRU" else {})}
    finals = [f"{name}_n" for name in states]
    node = helper.make_node(kind, ["X", "W", "R", "B", "lengths", *states], ["Y", *finals], **attributes)
    floats = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("X", floats, ["T", "N", layer.input_size])]
    inputs += [helper.make_tensor_value_info("lengths", TensorProto.INT32, ["N"])]
    inputs += [helper.make_tensor_value_info(name, floats, [1, "N", hidden]) for name in states]
    outputs = [helper.make_tensor_value_info("Y", floats, ["T", 1, "N", hidden])]
    outputs += [helper.make_tensor_value_info(name, floats, [1, "N", hidden]) for name in finals]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph([node], "layer", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Its threads wait busily within a run, as by default, but not on after it, where we are timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])

    def run(x: np.ndarray, lengths: np.ndarray, *state: np.ndarray) -> list[np.ndarray]:
        return session.run(None, {"X": x, "lengths": lengths, **dict(zip(states, state, strict=True))})

    return run


def keras_training(layer: nn.RNNBase, padded: Tensor, lengths: Tensor, grad: Tensor) -> Callable[[], Any]:
    """A training step of Keras's layer, compiled by JAX: outputs ``[B, T, H]`` and gradients of input and weights."""
    os.environ["KERAS_BACKEND"] = "jax"
    warnings.filterwarnings("ignore")
    import jax
    import keras

    hidden = layer.hidden_size
    kind = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU, "RNN_TANH": keras.layers.SimpleRNN}[layer.mode]
    options = {"reset_after": True} if layer.mode == "GRU" else {}
    theirs = kind(hidden, return_sequences=True, **options)
    x = jax.numpy.asarray(padded.transpose(0, 1).contiguous().numpy())
    mask = jax.numpy.asarray((torch.arange(len(padded)) < lengths[:, None]).numpy())
    upstream = jax.numpy.asarray((grad.transpose(0, 1)).contiguous().numpy())
    theirs.build(x.shape)
    order = {"LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2], "RNN_TANH": [0]}[layer.mode]

    def gates(tensor: Tensor) -> Tensor:
        parts = tensor.detach().chunk(len(order))
        return torch.cat([parts[place] for place in order])

    if layer.mode == "GRU":
        bias = torch.stack([gates(layer.bias_ih_l0), gates(layer.bias_hh_l0)])
    else:
        bias = gates(layer.bias_ih_l0) + gates(layer.bias_hh_l0)
    theirs.set_weights([gates(layer.weight_ih_l0).t().numpy(), gates(layer.weight_hh_l0).t().numpy(), bias.numpy()])
    full = bool((lengths == len(padded)).all())
    frozen = [variable.value for variable in theirs.non_trainable_variables]

    @jax.jit
    def step(weights: Any, x: Any) -> Any:
        def outputs(weights: Any, x: Any) -> Any:
            return theirs.stateless_call(weights, frozen, x, mask=None if full else mask)[0]

        out, back = jax.vjp(outputs, weights, x)
        return out, back(upstream)

    values = [variable.value for variable in theirs.trainable_variables]
    return lambda: jax.block_until_ready(step(values, x))
