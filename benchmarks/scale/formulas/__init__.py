"""The formulas for latency, throughput and price."""
