"""Uploads as bytes, without I/O: the scanner, the part headers, boundaries, and the writer of multipart/form-data.

The scanner of JSON bodies (`json_scanner` and what it is made of) gives the same parts; `acceptance` and `sniffing` say
whether a route takes them.

Reading follows RFC 2046 section 5.1.1 and RFC 7578, strictly; where this reader differs from
Werkzeug's and from the `multipart` package, `docs/multipart.md` lists the case and the reason.
"""
