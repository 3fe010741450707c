"""What the benchmarks compare with, written by hand."""
