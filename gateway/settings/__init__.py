"""The configuration: a file or flags in, frozen settings or every problem at once out.

values            what written values mean: sizes, durations, names, ...
http_values       and those that HTTP knows: URLs, headers, statuses, media types, ...
forms             the forms of values: what reads each, and what editors are told of it
sections          what a mapping of the file is; which keys there are, and what stands below
services_schema   what may be said of a service, each key documented
schema            what else may be said, and the whole; builds what the gateway works with
contradictions    what is wrong between keys that are each right
document          YAML to plain data, with places, variables and files
validation        plain data to settings, or to what is wrong with each key
certificates      whether the files of `tls` are what it says
load              the entrance: files, flags, the environment
checks            what is right and probably not meant; which deliveries are live
json_schema       the schema for editors
reference         and for readers, as the tables of docs/configuration.md
starter           the configuration to begin with
"""
