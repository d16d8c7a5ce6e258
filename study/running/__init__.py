"""From planned trials to finished ones: the conductor, Ray Tune, lanes, confirmation, and how a launch ends."""
