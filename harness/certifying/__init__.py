"""How far a kept model can be trusted: what it finds, what breaks it, what its limit promises, and what it costs."""
