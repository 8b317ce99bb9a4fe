"""Layers: recurrences, embeddings, dropout and pooling, all on real steps only."""

from throughtime.nn.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling, Pooling
from throughtime.nn.recurrent import GRU, LSTM, RNN
from throughtime.nn.stepper import Stepper

__all__ = ["GRU", "LSTM", "RNN", "AttentionPooling", "LastPooling", "MaxPooling", "MeanPooling", "Pooling", "Stepper"]
