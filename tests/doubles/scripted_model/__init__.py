"""The parts of scripted-model, a test double of a model box."""
