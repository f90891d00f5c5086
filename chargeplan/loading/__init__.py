"""Files in, plans out: every problem of the user's files as a diagnostic with its place.

source     YAML → nodes with places             scalar, syntax   what plain values mean; errors in words
node       nodes, and the collector of problems  check, suggest   readers of nodes; did you mean
values     money, paths, dates, changes          amounts, timing, who, rules   the keys of a charge
references columns and charges pointed at        needs, moves     circles; renames
templates  descriptions and notes                tables, files    CSV; input files and their digests
charge, build, config, project                   one charge, one plan, the configuration, all together
"""
