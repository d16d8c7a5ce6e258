"""What compose.yaml starts, without docker: processes of this machine that listen on 127.0.0.1 and keep nothing.

`__main__.py` is the command, `supervisor.py` the process that starts, watches and ends the services of `services.py`.
"""
