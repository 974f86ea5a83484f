"""`python -m harness`."""

from harness.commands import run_module

run_module()
