"""The RPCs: a request becomes a prompt, a page becomes a stream. Begin reading in `homepage`."""
