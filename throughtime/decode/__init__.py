"""Decoding: from a model's scores to the symbols it says."""

from throughtime.decode.sampling import Sampler, SamplingConfig, streams

__all__ = ["Sampler", "SamplingConfig", "streams"]
