"""The parts of bench/run and scripts/torture: processes, configurations, load, lanes."""
