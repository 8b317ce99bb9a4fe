"""Looking into a model: its report and its card."""
