"""`python -m study.cli`: the command, for whoever knows the Python and not where `study` lies."""

from study.cli import main

main()
