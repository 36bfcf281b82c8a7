"""The code that an export carries, so that diffusers loads it as a pipeline.

Both files are copied as they are, and import neither the toolkit nor each other.
"""
