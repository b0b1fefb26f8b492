"""The demo: real data, a real broker, a real model, and pages that change because of an event.

`run` has the steps in order; each step is a module of its own.
"""
