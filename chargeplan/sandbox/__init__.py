"""A strict Propexo of our own: the demo, the users' playground and our own test double.

HTTP on Starlette and uvicorn, state in one SQLite file that several processes may open. It is strict where
Propexo's documents are (``propexo-api.md``) and hostile where they are silent: no deduplication, no ids back,
nothing visible before a person approved it and a sync ran, and any answer may be lost.

    store      the SQLite file                  catalogue  which rows can be listed, and by what
    clock      the sandbox's own time           listing    query parameters → SQL → a page
    settings   what can be set                  validate   the Zod-like checks of a POST
    records    full record shapes               ledger     partner files, approval, operator levers
    seed       two believable properties        jobs       write jobs, their status and their log
    faults     what goes wrong, and when        sync       from the ledger to what GET shows
    state      all of it, as one object         answers    refusals, in Propexo's shape
    server     in a thread, or a process        gate       token, rate limit, faults around each request
    app        Propexo's routes                 levers     every lever by name, and its keys
    office     what people do to the books      lever_routes  the levers over HTTP, under /_sandbox/
    payments   what residents pay               remote     a lever of a sandbox that is served elsewhere
"""
