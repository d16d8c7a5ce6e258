"""From a checked study file to trials with keys, and what can be said of them before the first one starts."""
