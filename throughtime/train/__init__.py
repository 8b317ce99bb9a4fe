"""The learning algorithm: the loop, update rules, schedules, stop rules, checkpoints."""
