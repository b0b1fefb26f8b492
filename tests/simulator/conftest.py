from hypothesis import settings

settings.register_profile("simulator", max_examples=25)
settings.load_profile("simulator")
