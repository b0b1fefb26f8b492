"""What holds for every test."""

from hypothesis import HealthCheck, settings

# Two busy cores: an example, or making one, may take longer than hypothesis allows for reasons of
# its own. Folders choose how many examples there are.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
