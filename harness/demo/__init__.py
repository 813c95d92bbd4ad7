"""The main job: streams over shared memory, a migration there and back, and a verdict."""
