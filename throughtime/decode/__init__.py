"""Decoding: from a model's scores to the symbols it says."""

from throughtime.decode.beam import BeamConfig, Hypothesis, beam_search
from throughtime.decode.sampling import Sampler, SamplingConfig, streams

__all__ = ["BeamConfig", "Hypothesis", "Sampler", "SamplingConfig", "beam_search", "streams"]
