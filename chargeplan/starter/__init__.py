"""What a project begins with: its configuration, a plan with roster and test, and the pipelines of its code host."""
