"""The bars of tests/bench/run: each measures the service and a bare ceiling in turn, and says how they compare."""
