"""ResShift, and SinSR, which is ResShift in one step."""
