"""The untrusted side and the wall around it.

A candidate only ever runs in a child process. The parent owns inputs, references, truth, tolerance, statistics and
the verdict; the child maps buffers that the parent made, runs the candidate, and gives back raw outputs and stamps.

    arena.py     shared memory that the parent owns, with guard bands
    wire.py      length-limited frames over a socket pair, with a nonce
    sandbox.py   namespaces, landlock, seccomp, resource limits, and which level was reached
    program.py   the small program inside the child
    process.py   starting, talking to, and killing a child with its whole group
    room.py      how much shared memory a child needs
    places.py    where inputs and outputs lie in it
    outcome.py   what a call, or a timed block, did
    session.py   a child with one candidate loaded: call it, time it

Nothing is imported here: the program inside the child must reach the wall before it loads anything with threads.
"""
