"""The RPCs: a request becomes a prompt, a page becomes a stream.

Begin with `homepage`: the life of a page in its numbered steps, each with the file that does it.
"""
