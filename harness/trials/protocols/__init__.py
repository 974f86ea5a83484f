"""How a trial is shown its images: how few, how dirty. Each protocol is an axis of a run and is ranked by itself."""
