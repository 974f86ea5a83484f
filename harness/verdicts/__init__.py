"""From stored evidence to ranked rows: judging, leaderboards, paired tests, exports."""
