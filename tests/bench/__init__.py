"""Benchmarks: each figure beside the ceiling or peer that was measured in the same run. See docs/benchmarks.md."""
