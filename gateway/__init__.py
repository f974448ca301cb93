"""An upload-forwarding gateway: a client posts a file once, every service gets it, byte for byte.

The map, from the bottom up; imports point down only:

    errors      every error: code, status, hint
    core        what an upload, a part, a service, a route and a plan are; decisions without I/O
    multipart   the scanner: bytes in, parts and spans out
    spool       the bytes of one upload: written once, read by many, also while still arriving
    relay       one upload to one service: bodies, the connection, the answer
    gateway.py  the one place that builds the above
    web         Flask: requests in, replies out; the gunicorn hook that reads the client's socket
    testing     services and clients for tests, also for yours
    cli         `gateway serve`, `check`, `demo`

`settings` (the configuration file) and `telemetry` (the log) stand beside this line.
"""
