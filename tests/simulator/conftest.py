from hypothesis import settings

# Two busy cores: an example may take longer than hypothesis' 200 ms for reasons of its own.
settings.register_profile("simulator", deadline=None, max_examples=25)
settings.load_profile("simulator")
