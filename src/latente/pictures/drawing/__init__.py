"""How pictures are drawn: the passes of a model, and their layout on paper.

Every function returns a :class:`latente.pictures.shown.Shown`. The choices made here: an image that is shown is the *mean* of
the likelihood unless its label says sampled, because pixel noise hides what a code means; examples are held-out ones; the header
names the benchmark, since pictures of two binarisations do not compare any more than their figures do; all draws come from a
seeded fork of the generators, so the same call gives the same bytes and the global generators are left as they were. Figures are
made without pyplot, so no global state of matplotlib is touched.

What a picture is asked, its options and their defaults stand one floor up, in the files of :mod:`latente.pictures`.
"""
