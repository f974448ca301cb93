"""The configuration to begin with: as it stands it works, and each key that is commented out works without the #."""

from __future__ import annotations

import re

__all__ = ["starter"]

TEMPLATE = """\
# What `gateway serve` runs. `gateway check` says whether this file is right and what it does.
# A # right before a key can be taken away: what stands there is an example. docs/configuration.md has every key.

gateway:
  bind: 127.0.0.1:8080      # 0.0.0.0:8080 makes it reachable from other machines
  #workers: 4               # processes; by itself, one per core
  #state: var               # directory for what the gateway writes
  #spool: {memory: 1MiB, quota: 20GiB}
  #limits: {body: 5GiB, field: 1MiB, concurrent: 200}
  #client: {stall: 30s}
  #log: {format: json}
  #stop: 60s                # what uploads under way get to end

services:
  # A name of your choice, and where its uploads go.
  NAME:
    url: "URL"
    #method: PUT            # or same: that of the client's request
    #headers: {Authorization: "Bearer ${SERVICE_TOKEN}"}    # from the environment; never shown
    #query: {lang: en}
    #forward: {headers: [Authorization], query: all}        # what clients send goes on
    #send: {rename: {file: document}, add: {lang: en}}      # the fields that the service wants
    #body: chunked          # the service can read a body without Content-Length
    #deliver: whole         # not before the upload is in
    #expect: {busy: [429, 503], ok_if: "error == null"}     # what its answers mean
    #timeout: {connect: 5s, first_byte: 60s, total: 10m}

routes:
  # A name of your choice, the path of the requests that are taken, and the service that gets them.
  upload:
    path: /file
    to: NAME
    #accept: {bodies: [multipart, raw, json], require: [file], types: [application/pdf, image/*], body: 200MiB}
    #reply: json            # an object that says how it went, in the place of the service's answer

  # Bare files whose name is in the path: curl -T report.pdf http://127.0.0.1:8080/files/
  #files: {path: /files/<filename>, to: NAME, accept: {bodies: [raw]}}
"""


def starter(name: str, url: str) -> str:
    """YAML with a service of this name at this URL; both must be right."""
    # In double quotes any URL stands for itself: it has neither a quote nor a backslash. A name needs them rarely.
    written = f'"{name}"' if name.lower() in {"null", "true", "false"} or not name[0].isalpha() else name
    return re.sub("NAME|URL", lambda match: {"NAME": written, "URL": url}[match[0]], TEMPLATE)
