"""Images, splits and label noise: what a trial trains on, each part known by a hash.

`datasets/` decodes a data set once into uint8 arrays; `split.py` holds images out; `noise/` corrupts labels;
`pixels.py` takes statistics of images; `task.py` puts these together and is what the rest of the project asks. Test
images and labels are reached through `load_test` alone, which no search calls. May import numpy and scikit-learn;
never Ray, MLflow or the platform.
"""
