"""What `gateway send` is made of.

forms      curl's syntax of -F, as values
inputs     a file or a pipe: checked first, read once, told when it changes
uploads    parts as a body: a form, one bare file, or JSON
targets    where it goes: URL, header fields, credentials, limits
exchanges  one upload and its answer, told to people or to programs
answers    the answer: saved, shown, described
progress   what a terminal shows meanwhile
"""
