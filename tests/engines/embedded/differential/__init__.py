"""A differential test: seeded Dockerfiles and contexts, built by the embedded engine and by Docker's classic builder.

`case` is what is built, `words`, `settings`, `contexts` and `dockerfiles` make one from a seed, `judge` builds it on
both and says what differs, `shrink` makes it small. By hand: `python -m differential --help`, in the folder above.
"""
