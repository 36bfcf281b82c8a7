"""Costs: parameters, multiply-accumulates, memory and time; and plans of a training."""
