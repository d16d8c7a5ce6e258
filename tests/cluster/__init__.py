"""Studies on clusters: real nodes on this machine, and a job server that answers as Ray's does."""

import pytest

pytest.register_assert_rewrite("tests.cluster.story")
