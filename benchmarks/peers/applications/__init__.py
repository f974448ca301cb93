"""The Flask applications that are measured. They are meant to look like what people write, faults and all."""
