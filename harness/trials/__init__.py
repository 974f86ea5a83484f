"""From a plan to stored evidence: the grid, the worker that fits, the store."""
