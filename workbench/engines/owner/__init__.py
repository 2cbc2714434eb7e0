"""A process of its own that owns the builds of one context, so that they outlive the line to the person who watches.

It runs the live loop and writes the events of its build to a journal; every workbench on that context is a display:
it reads the journal, and says over a socket what is asked. Started by the first one, it ends when nobody is attached
and nothing runs.
"""
