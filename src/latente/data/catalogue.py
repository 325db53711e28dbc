"""The data sets that have a name.

Importing this file imports neither torch nor numpy, so that `latente --help` may list them at once.
"""

__all__ = ["CAVEATS", "SOURCES"]

SOURCES: dict[str, str] = {
    "digits": "5,000 MNIST digits, 28x28 grey, 10 classes: comes with latente[demo], needs no download",
    "mnist": "MNIST, 28x28 grey, 10 classes: 55,000 / 5,000 / 10,000",
    "mnist-static": "MNIST binarised once by H. Larochelle, his split: 50,000 / 10,000 / 10,000",
    "fashion": "Fashion-MNIST, 28x28 grey, 10 kinds of clothing: 55,000 / 5,000 / 10,000",
    "omniglot": "Omniglot, 28x28 grey (own resizing, 30,013 images), 50 alphabets: from LATENTE_DATA",
    "frey": "Frey faces, 28x20 grey, 1,965 frames of one face: from LATENTE_DATA",
    "cifar10": "CIFAR-10, 32x32 colour, 25,000 of its 60,000 images, 10 classes: from LATENTE_DATA",
    "utkface64": "UTKFace, 64x64 colour, 5,000 faces, male or female, for research alone: from LATENTE_DATA",
    "ptb": "Penn Treebank, 42,068 / 3,370 / 3,761 sentences, 10,000 words: from LATENTE_DATA",
    "kanji": "KanjiVG, 11,662 Japanese characters drawn stroke by stroke: comes with latente[drawings], needs no download",
    "sheep": "The Sheep Market, 7,400 / 300 / 300 drawings of sheep: from LATENTE_DATA",
    "omniglot-strokes": "Omniglot, 30,000 / 1,000 / 1,000 characters stroke by stroke: from LATENTE_DATA",
    "quickdraw": "Quick, Draw!, 10,541 drawings of 345 things: from LATENTE_DATA",
    "captions-mnist": "one or two MNIST digits, 32x32, with a sentence: composed anew every batch, 10,000 / 2,000 / 2,000",
    "captions-mnist-60": "the same on 60x60, as in alignDRAW",
    "shapes": "one or two coloured shapes, 32x32, with a sentence: composed anew every batch, needs no download",
    "flickr8k": "Flickr8k, 32x32 colour, 6,090 / 1,000 / 1,000 photos of five captions each: from LATENTE_DATA",
    "yelp": "Yelp reviews, 190,153 short sentences, negative or positive: from LATENTE_DATA",
}
"""What `load` knows by name, and a line about each."""

CAVEATS: dict[str, str] = {
    "digits": "5,000 of the 70,000 images",
    "omniglot": "own 28x28 resizing, not Burda's",
    "cifar10": "25,000 of the 60,000 images",
    "utkface64": "5,000 of its images, own 64x64 resizing",
}
"""Where a figure on a set cannot be held against the literature's, and why: part of the benchmark's name."""
