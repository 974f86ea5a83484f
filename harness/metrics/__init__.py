"""Pure figures of scores and maps: metrics, intervals, tests."""
