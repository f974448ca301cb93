"""Measures the gateway against other ways to hand an upload on, side by side on one machine.

    python -m benchmarks --quick

The words: a *peer* is what is measured (the gateway, a Flask view, nginx, ...). A *workload* is what is
done with it; its *figures* are what comes out. A *stand* is one peer, freshly started between a client
and a service of which each costs almost nothing (`source/`, C, built on the spot). A *round* measures
every peer once; the order changes from round to round.

    native      builds client and service, runs them, reads their reports
    processes   memory and CPU time of a process and all that it started
    machine     what this machine is, and how busy all of it was
    peers/      one module per peer: how it is configured and started
    stands      starts a peer and watches it during an upload
    verification  checks that what the service got is what was sent
    workloads/  one module per workload
    rounds      the interleaving
    report      medians and ratios within one run, as Markdown and JSON

Nothing here installs anything, asserts on times, or compares figures of different runs. Linux only.
"""
