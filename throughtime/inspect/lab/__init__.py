"""Experiments that show what recurrent networks can and cannot do: problems made to measure, trained here and now."""
