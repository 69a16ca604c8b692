"""One module a claim: `python -m benchmarks.NAME [--data DIR] [--json]`; `make bench` runs all."""
