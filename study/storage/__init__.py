"""A study's second home, on a shared file system or an S3 server: another head goes on from it when one is lost.

`study_copy.py` is what lies there, `owner.py` who may write it, `follow.py` keeps it level while a launch runs,
`arrival.py` puts a study that comes from elsewhere in its place, `checkpoints.py` reads those that lie there alone.
"""
