"""workbench: build container images from a terminal, and see what is inside, what changed and why."""

__version__ = "0.1.0"
