"""What holds for every test."""

from hypothesis import HealthCheck, settings

# Two busy cores: an example, or making one, may take longer than hypothesis allows for reasons of
# its own. The number is said here, for all folders, because a profile that one of them loaded would
# be that of whatever is collected after it; a property whose examples cost more, or which hunts for
# something rarer, states its own.
settings.register_profile(
    "pagecast", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pagecast")
