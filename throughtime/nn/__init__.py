"""Layers: recurrences, attention, dropout, pooling and the conditional random field, all on real steps only."""

from throughtime.nn.attention import Attention
from throughtime.nn.crf import CRF
from throughtime.nn.decoder import Decoder
from throughtime.nn.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling, Pooling
from throughtime.nn.recurrent import GRU, LSTM, RNN
from throughtime.nn.softmax import linear_cross_entropy
from throughtime.nn.stepper import Stepper

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "AttentionPooling",
    "Decoder",
    "LastPooling",
    "MaxPooling",
    "MeanPooling",
    "Pooling",
    "Stepper",
    "linear_cross_entropy",
]
