"""The configuration: a file or flags in, frozen settings or every problem at once out.

values      the forms in which values are written: sizes, durations, URLs, ...
schema      which keys there are, each documented; what the settings build
document    YAML to plain data, with places, variables and files
validation  plain data to settings, or to what is wrong with each key
load        the entrance: files, flags, the environment
checks      what is right and probably not meant; which deliveries are live
"""
