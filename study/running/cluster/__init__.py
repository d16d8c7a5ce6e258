"""A Ray cluster that runs already: how it is found, what travels there, what is asked of its nodes beforehand.

`site.py` is what `study/running/ray_run.py` sees of it; nothing here starts or ends a cluster.
"""
