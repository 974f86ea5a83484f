"""How images are presented to a trial: how few, how dirty; each protocol is an axis of a run and ranked by itself."""
