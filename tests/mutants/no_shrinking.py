"""A plugin for pytest: a failing example is failure enough; to look for a smaller one can take minutes a plant."""

from hypothesis import Phase, settings

# The tests' own profile is made from the one in force when they start.
settings.register_profile("no-shrinking", phases=(Phase.explicit, Phase.generate))
settings.load_profile("no-shrinking")
