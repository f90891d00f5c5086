"""Benchmarks: one command each, medians, and the ratio to a floor measured in the same run. None is a test."""
